"""Jobs for a process of its own, in a module that imports neither Qt nor MLX."""

import os
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from app.core.errors import InputError


@dataclass(frozen=True)
class Counting:
    """Yields numbers; closed early, it writes down how far it came."""

    up_to: int
    note: Path | None = None
    pause: float = 0.0

    def __call__(self, should_stop: Callable[[], bool]) -> Iterator[object]:
        number = 0
        try:
            for number in range(1, self.up_to + 1):
                yield number
                time.sleep(self.pause)
        finally:
            if self.note is not None:
                self.note.write_text(str(number))


@dataclass(frozen=True)
class Preparing:
    """Takes a second before it yields anything, and writes down that it had the time."""

    begun: Path
    done: Path

    def __call__(self, should_stop: Callable[[], bool]) -> Iterator[object]:
        self.begun.touch()
        time.sleep(1)
        self.done.touch()
        yield None


@dataclass(frozen=True)
class Telling:
    """Yields who it is, and what it has imported."""

    def __call__(self, should_stop: Callable[[], bool]) -> Iterator[object]:
        yield os.getpid(), {"PySide6", "mlx", "mlx.core"} & set(sys.modules)


@dataclass(frozen=True)
class Refusing:
    def __call__(self, should_stop: Callable[[], bool]) -> Iterator[object]:
        raise InputError("It is blue.", "Paint it.")
        yield
