"""Waits for work in steps with a progress bar on a terminal, and silently elsewhere.

The bar stands on the error output, so that programs can read what the command prints.
"""

import sys
from collections.abc import Generator
from contextlib import closing
from typing import TypeVar

from app.core.progress import drain, mapped

T = TypeVar("T")


def run_with_bar(work: Generator[float, None, T], label: str) -> T:
    """The work's result. Ctrl-C closes the work in order, and raises KeyboardInterrupt."""
    with closing(work):
        if not sys.stderr.isatty():
            return drain(work)
        from app.cli.bars import Bar

        bar = Bar(sys.stderr, counts=False, total=1.0)
        try:
            return drain(mapped(work, lambda share: bar.show(label, completed=share)))
        finally:
            bar.close()
