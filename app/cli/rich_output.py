"""Progress bars and tables. Text is printed literally: brackets are not markup.

`run_with_bar` writes to standard error, so that programs can read standard output; if that is not a
terminal, it prints an occasional line instead.
"""

import sys
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import closing
from time import monotonic
from typing import Any, TextIO, TypeVar

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)
from rich.table import Table
from rich.text import Text

from app.cli.terminal import OutputLost, note
from app.core.progress import drain, mapped
from app.core.text.sanitize import visible, visible_line

_WIDE = 2000
_REDRAWN_S = 0.1


class Bar:
    """A progress bar below the output. Without a terminal, it only prints lines.

    `counts` adds the number of completed steps, `facts`, and the remaining time.
    """

    def __init__(self, stream: TextIO, *, counts: bool, total: float | None = None) -> None:
        self._outlet = _Outlet(stream)
        self._console = _PlainConsole(file=self._outlet, highlight=False)  # type: ignore[arg-type]
        self.is_shown = self._console.is_terminal
        figures = (
            (MofNCompleteColumn(), _text_column("facts"), TimeRemainingColumn())
            if counts
            else (TaskProgressColumn(),)
        )
        self._progress = Progress(
            _text_column("label"), BarColumn(), *figures, console=self._console, transient=True,
            auto_refresh=False,
        )  # fmt: skip
        self._task = self._progress.add_task("", total=total, label="", facts="", visible=False)
        self._label, self._drawn = "", 0.0

    def line(self, text: str) -> None:
        """Print one line above the bar. Raises OutputLost if it or an earlier one was lost."""
        self._console.print(visible_line(text), soft_wrap=True)
        self._outlet.check()

    def show(self, label: str, **changes: Any) -> None:
        """Update the bar's label and `completed`, `total` or `facts`."""
        if not self.is_shown:
            self._progress.update(self._task, **changes)
            return
        self._progress.start()
        self._progress.update(self._task, label=visible_line(label), visible=True, **changes)
        if label != self._label or monotonic() - self._drawn > _REDRAWN_S:
            self._label, self._drawn = label, monotonic()
            self._progress.refresh()

    def close(self) -> None:
        if self.is_shown:
            self._progress.stop()


def print_table(columns: Mapping[str, Mapping[str, Any]], rows: Iterable[Sequence[str]]) -> None:
    """Print a table to standard output; `columns` are titles with rich's options. Raises
    OutputLost.
    """
    table = Table(box=None, pad_edge=False)
    for title, options in columns.items():
        table.add_column(title, **options)
    for cells in rows:
        table.add_row(*(Text(visible_line(cell)) for cell in cells))
    outlet = _Outlet(sys.stdout)
    # For other programs, each row is one line of any length.
    width = None if outlet.isatty() else _WIDE
    _PlainConsole(file=outlet, width=width).print(table)  # type: ignore[arg-type]
    outlet.check()


def _text_column(field: str) -> TextColumn:
    return TextColumn(f"{{task.fields[{field}]}}", markup=False)


class _PlainConsole(Console):
    """Prints text without markup, including a library's output while a bar is shown."""

    def print(self, *objects: Any, **options: Any) -> None:
        super().print(*map(_plain, objects), **options)


def _plain(printed: Any) -> Any:
    if isinstance(printed, str | Text):
        return Text(visible(printed if isinstance(printed, str) else printed.plain))
    return printed


class _Outlet:
    """A stream for rich that records errors; `check` raises them as OutputLost."""

    def __init__(self, stream: TextIO) -> None:
        self._stream: TextIO = getattr(stream, "unguarded", stream)
        self._lost: OSError | None = None
        self.encoding = self._stream.encoding

    def write(self, text: str) -> int:
        try:
            return self._stream.write(text)
        except OSError as error:
            self._lost = self._lost or error
        return len(text)

    def flush(self) -> None:
        try:
            self._stream.flush()
        except OSError as error:
            self._lost = self._lost or error

    def isatty(self) -> bool:
        return self._stream.isatty()

    def fileno(self) -> int:
        return self._stream.fileno()

    def check(self) -> None:
        """Raise OutputLost if any output was lost."""
        if self._lost is not None:
            raise OutputLost(self._lost)


T = TypeVar("T")
_FIRST_LINE_S, _NEXT_LINE_S = 5.0, 20.0


def run_with_bar(work: Generator[float, None, T], label: str) -> T:
    """Run the work and return its result. Ctrl-C closes the work, then raises KeyboardInterrupt."""
    with closing(work):
        if not sys.stderr.isatty():
            return drain(mapped(work, _lines(label)))

        bar = Bar(sys.stderr, counts=False, total=1.0)
        try:
            return drain(mapped(work, lambda share: bar.show(label, completed=share)))
        finally:
            bar.close()


def _lines(label: str) -> Callable[[float], None]:
    """A callback for the completed fraction, which prints it if the work takes long."""
    due = monotonic() + _FIRST_LINE_S

    def show(share: float) -> None:
        nonlocal due
        if monotonic() >= due:
            note(f"{label}: {share:.0%}")
            due = monotonic() + _NEXT_LINE_S

    return show
