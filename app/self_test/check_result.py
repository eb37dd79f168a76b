"""A check of the self-test, its result, and the order of all checks."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from app.core.errors import AppError
from app.core.text.sanitize import error_text


@dataclass(frozen=True)
class Check:
    name: str
    run: Callable[[Path], str]
    """Gets an empty folder of its own; gives what it found as a phrase. Raises what is wrong."""


@dataclass(frozen=True)
class Result:
    check: str
    passed: bool
    detail: str
    seconds: float

    def __str__(self) -> str:
        mark = "ok    " if self.passed else "FAILED"
        return f"{mark} {self.seconds:5.1f} s  {self.check}: {self.detail}"


def results(checks: Sequence[Check], folder: Path) -> Iterator[Result]:
    """Run each check, the others too where one fails."""
    for number, check in enumerate(checks):
        own = folder / f"check-{number}"
        own.mkdir()
        begun = time.perf_counter()
        passed, detail = _outcome(check, own)
        yield Result(check.name, passed, detail, time.perf_counter() - begun)


def _outcome(check: Check, folder: Path) -> tuple[bool, str]:
    try:
        return True, check.run(folder)
    except AppError as error:
        return False, str(error)
    except Exception as error:  # a self-test reports defects instead of ending by one
        return False, f"{type(error).__name__}: {error_text(error)}"
