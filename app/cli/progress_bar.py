"""Waiting for work that says how far it is: a bar on a terminal, silence elsewhere.

The bar stands on the error output, so that what the command prints can be read by programs.
"""

import sys
from collections.abc import Generator
from contextlib import closing
from typing import TypeVar

from app.core.progress import drain

T = TypeVar("T")


def run_with_bar(work: Generator[float, None, T], label: str) -> T:
    """What the work makes. Ctrl-C closes it in order and goes on as KeyboardInterrupt."""
    with closing(work):
        if not sys.stderr.isatty():
            return drain(work)
        return drain(_shown(work, label))


def _shown(work: Generator[float, None, T], label: str) -> Generator[None, None, T]:
    from app.cli.bars import Bar

    bar = Bar(sys.stderr, counts=False, total=1.0)
    try:
        while True:
            try:
                bar.show(label, completed=next(work))
            except StopIteration as ended:
                return ended.value  # type: ignore[no-any-return]
            yield
    finally:
        bar.close()
