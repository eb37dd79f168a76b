"""Waiting for work that says how far it is: a bar on a terminal, silence elsewhere.

The bar stands on the error output, so that what the command prints can be read by programs.
"""

import sys
from collections.abc import Generator
from contextlib import closing
from typing import TypeVar

from app.core.progress import run_to_end

Made = TypeVar("Made")


def waited_for(work: Generator[float, None, Made], label: str) -> Made:
    """What the work makes. Ctrl-C closes it in order and goes on as KeyboardInterrupt."""
    with closing(work):
        if not sys.stderr.isatty():
            return run_to_end(work)
        return run_to_end(_shown(work, label))


def _shown(work: Generator[float, None, Made], label: str) -> Generator[None, None, Made]:
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
