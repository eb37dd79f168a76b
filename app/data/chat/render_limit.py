"""The limits of one rendering of a chat template, however a chat makes it long or large."""

from time import monotonic

from app.core.errors import InputError
from app.core.system.interruption import Interruptible

SECONDS = 10.0


class RenderingTooCostly(InputError):
    """The time, the memory or the length of a rendering was over before a chat was rendered."""

    def __init__(self, excess: str = "") -> None:
        """`excess`: the rest of a sentence, such as "takes more than 1 GB of memory"."""
        self.excess = excess or f"takes longer than {SECONDS:g} seconds"
        super().__init__(
            f"The model's chat template {self.excess} for this chat.",
            "Leave the chat out, or fix the template.",
        )


class _Limited(Interruptible):
    too_long = RenderingTooCostly

    def ends(self) -> float:
        return monotonic() + SECONDS


limited = _Limited()
"""Of Python code in a template's place: raises RenderingTooCostly inside, once that takes too long,
and StoppedEarly where a stop is asked for."""
