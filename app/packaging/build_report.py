"""What the packaging did: a line for each step, with its time, or why it was skipped."""

import time
from collections.abc import Callable, Iterable

from app.cli.terminal import line, lines

MAX_PROBLEMS = 40


class StepFailed(Exception):
    """A step could not be done; its line says why."""


class Report:
    """Prints as the steps go by."""

    def __init__(self) -> None:
        self._begun = time.perf_counter()
        self._skipped = 0

    def step(self, name: str, work: Callable[[], str]) -> None:
        """Do a step; `work` gives what came of it. Raises StepFailed if it raises OSError,
        StepFailed or ValueError."""
        begun = time.perf_counter()
        line(f"…      {name}")
        try:
            found = work()
        except (StepFailed, OSError, ValueError) as error:
            lines(f"FAILED {time.perf_counter() - begun:6.1f} s  {name}: {error}\n")
            raise StepFailed(name) from error
        line(f"ok     {time.perf_counter() - begun:6.1f} s  {name}: {found}")

    def skip(self, name: str, reason: str) -> None:
        self._skipped += 1
        line(f"skip             {name}: {reason}")

    def close(self) -> None:
        skipped = f", {self._skipped} steps skipped" if self._skipped else ""
        line(f"Done in {time.perf_counter() - self._begun:.0f} s{skipped}.")


def refuse(problems: Iterable[str]) -> None:
    """Raise StepFailed with all problems, if there is one."""
    found = list(problems)
    if found:
        more = f"\n… and {len(found) - MAX_PROBLEMS} more" if len(found) > MAX_PROBLEMS else ""
        raise StepFailed("\n".join(("", *found[:MAX_PROBLEMS])) + more)
