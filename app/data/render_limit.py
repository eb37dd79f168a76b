"""A limit on the time that one rendering of a chat template takes, however a chat makes it long."""

from time import monotonic

from app.core.errors import InputError
from app.core.interrupting import Interruptible

SECONDS = 10.0


class RenderingTooLong(InputError):
    """The time of a template was over before a chat was rendered."""

    def __init__(self, message: str = "", hint: str = "") -> None:
        said = f"The model's chat template takes longer than {SECONDS:g} seconds to render a chat."
        super().__init__(message or said, hint or "Leave the chat out, or fix the template.")

    def on(self, row: str) -> "RenderingTooLong":
        """The same with the row that it was: "line 7"."""
        return RenderingTooLong(
            f"The model's chat template takes longer than {SECONDS:g} seconds on {row}."
        )

    def of(self, file: str) -> "RenderingTooLong":
        """The same with the file that the row is from."""
        return RenderingTooLong(f"{self.message.rstrip('.')} of {file}.")


class _Limited(Interruptible):
    too_long = RenderingTooLong

    def ends(self) -> float:
        return monotonic() + SECONDS


limited = _Limited()
"""Raises RenderingTooLong inside, once that takes too long, and StoppedEarly where a stop is asked
for."""
