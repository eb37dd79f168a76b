"""Waits for work in steps: with a progress bar on a terminal, elsewhere with a line now and then.

Both stand on the error output, so that programs can read what the command prints.
"""

import sys
from collections.abc import Callable, Generator
from contextlib import closing
from time import monotonic
from typing import TypeVar

from app.cli.terminal import note
from app.core.work_in_steps import drain, mapped

T = TypeVar("T")
_FIRST_LINE_S, _NEXT_LINE_S = 5.0, 20.0


def run_with_bar(work: Generator[float, None, T], label: str) -> T:
    """The work's result. Ctrl-C closes the work in order, and raises KeyboardInterrupt."""
    with closing(work):
        if not sys.stderr.isatty():
            return drain(mapped(work, _lines(label)))
        from app.cli.rich_output import Bar

        bar = Bar(sys.stderr, counts=False, total=1.0)
        try:
            return drain(mapped(work, lambda share: bar.show(label, completed=share)))
        finally:
            bar.close()


def _lines(label: str) -> Callable[[float], None]:
    """Takes each share that is done, and notes it where the work takes long."""
    due = monotonic() + _FIRST_LINE_S

    def show(share: float) -> None:
        nonlocal due
        if monotonic() >= due:
            note(f"{label}: {share:.0%}")
            due = monotonic() + _NEXT_LINE_S

    return show
