"""Jobs for a process of its own, in a module that imports neither Qt nor MLX."""

import os
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from app.core.errors import InputError


def until_it_is_asked_to_close(should_stop: Callable[[], bool]) -> None:
    """`should_stop` is a method of the job in this process, which has the fact as an event."""
    should_stop.__self__._cancelled.wait()  # type: ignore[attr-defined]


@dataclass(frozen=True)
class Counting:
    """Yields numbers; closed early, it writes down how far it came.

    One without an end has a last step in hand until it is asked to close. The file `in_hand` is
    there once that step has begun: a job that is closed before it does not do it.
    """

    up_to: int
    note: Path | None = None
    has_end: bool = True

    @property
    def in_hand(self) -> Path:
        assert self.note is not None
        return self.note.with_name(f"{self.note.name}-in-hand")

    def __call__(self, should_stop: Callable[[], bool]) -> Iterator[object]:
        number = 0
        try:
            for number in range(1, self.up_to + 1):
                yield number
            while not self.has_end:
                if self.note is not None:
                    self.in_hand.touch()
                until_it_is_asked_to_close(should_stop)
                number += 1
                yield number
        finally:
            if self.note is not None:
                self.note.write_text(str(number))


@dataclass(frozen=True)
class Preparing:
    """Never yields anything, and does not let itself be asked to close."""

    begun: Path

    def __call__(self, should_stop: Callable[[], bool]) -> Iterator[object]:
        self.begun.touch()
        threading.Event().wait()
        yield None


@dataclass(frozen=True)
class Reporting:
    """Yields who it is, and what it has imported."""

    def __call__(self, should_stop: Callable[[], bool]) -> Iterator[object]:
        yield os.getpid(), {"PySide6", "mlx", "mlx.core"} & set(sys.modules)


@dataclass(frozen=True)
class Refusing:
    def __call__(self, should_stop: Callable[[], bool]) -> Iterator[object]:
        raise InputError("It is blue.", "Paint it.")
        yield


def _fail_to_unpickle(message: str) -> object:
    raise RuntimeError(message)


class Unreadable:
    """Can be pickled, but not unpickled, as where a module is half imported."""

    def __reduce__(self) -> tuple[Callable[[str], object], tuple[str]]:
        return _fail_to_unpickle, ("half initialized",)

    def __call__(self, should_stop: Callable[[], bool]) -> Iterator[object]:
        yield from ()


@dataclass(frozen=True)
class YieldingUnreadable:
    """Yields a value that its parent can't unpickle."""

    def __call__(self, should_stop: Callable[[], bool]) -> Iterator[object]:
        yield Unreadable()
