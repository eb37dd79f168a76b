"""The pages of the window, in the order of the sidebar. Imports no page."""

from dataclasses import dataclass
from enum import Enum

from app.core.text.translation import tr


@dataclass(frozen=True)
class _Facts:
    title: str
    icon: str
    number: int
    """The digit of its shortcut, ⌘1 to ⌘5."""


class Place(Enum):
    """To add a page, add a line here and the page itself in app/application.py."""

    NEW_RUN = _Facts(tr("New Run"), "train", 1)
    RUNS = _Facts(tr("Runs"), "library", 2)
    DATA = _Facts(tr("Data"), "data", 3)
    MODELS = _Facts(tr("Models"), "models", 4)
    PLAYGROUND = _Facts(tr("Playground"), "try", 5)

    @property
    def title(self) -> str:
        return self.value.title

    @property
    def icon(self) -> str:
        return self.value.icon

    @property
    def shortcut(self) -> str:
        return f"Ctrl+{self.value.number}"

    @classmethod
    def named(cls, name: str) -> "Place | None":
        return cls.__members__.get(name)
