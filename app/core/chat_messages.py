"""The messages of a chat with the base model or the tuned one, built from its earlier turns."""

from dataclasses import dataclass
from typing import Literal

Side = Literal["base", "tuned"]
SIDES: tuple[Side, Side] = ("base", "tuned")


@dataclass(frozen=True)
class Turn:
    """A question and each side's answer."""

    question: str
    base: str = ""
    tuned: str = ""


@dataclass(frozen=True)
class Chat:
    """A question, with the conversation before it."""

    question: str
    system: str = ""
    """The system prompt."""
    earlier: tuple[Turn, ...] = ()

    def messages(self, side: Side) -> list[dict[str, str]]:
        """This side's conversation up to the question."""
        messages = [_message("system", self.system)] if self.system else []
        for exchange in self.earlier:
            messages.append(_message("user", exchange.question))
            messages.append(_message("assistant", getattr(exchange, side)))
        return [*messages, _message("user", self.question)]


def _message(role: str, content: str) -> dict[str, str]:
    return {"role": role, "content": content}
