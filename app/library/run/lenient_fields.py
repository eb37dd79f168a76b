"""Lenient field reader: invalid values become defaults, and the first one is reported."""

from typing import Any

from app.core.text.numbers import is_measurement
from app.core.text.sanitize import MAX_LINE_CHARACTERS, UNSEEN, short_repr

MAX_STEPS = 2**32 - 1
"""The largest step that a record can hold."""


class LenientReader:
    """Reads values one by one; the first invalid one becomes the problem."""

    def __init__(self, file: str) -> None:
        self._file = file
        self.problem = ""

    def integer(self, value: Any, name: str, maximum: int = MAX_STEPS, minimum: int = 0) -> int:
        """A count, or 0."""
        if type(value) is int and minimum <= value <= maximum:
            return value
        self._refuse(name, value)
        return 0

    def number(self, value: Any, name: str) -> float | None:
        """A measurement; None where there is none."""
        if value is None:
            return None
        if is_measurement(value):
            return float(value)
        self._refuse(name, value)
        return None

    def name(self, value: Any, instead: str) -> str:
        """A name, replaced only if it is empty; one that is hard to show is reported."""
        if not isinstance(value, str) or not value.strip():
            self._note("The run's name is empty.")
            return instead
        if len(value) > MAX_LINE_CHARACTERS:
            self._note(f"The run's name is {len(value):,} characters long.")
        elif UNSEEN.search(value):
            self._note("The run's name holds characters that can't be shown.")
        return value

    def choice(self, value: str, name: str, known: tuple[str, ...]) -> str:
        if value not in known:
            self._refuse(name, value)
        return value

    def _refuse(self, name: str, value: Any) -> None:
        self._note(f"{self._file} has an invalid value for {name}: {short_repr(value)}.")

    def _note(self, problem: str) -> None:
        self.problem = self.problem or problem
