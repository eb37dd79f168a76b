"""What can be undone in the window, the last first. Knows nothing of what it was."""

from collections.abc import Callable
from dataclasses import dataclass

from PySide6.QtCore import QObject, Signal, Slot


@dataclass(eq=False)
class _Entry:
    name: str
    undo: Callable[[], None]


class UndoHistory(QObject):
    changed = Signal()

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._entries: list[_Entry] = []

    @property
    def name(self) -> str:
        """Of what `undo` takes back, "Move to Trash"; empty if there is nothing."""
        return self._entries[-1].name if self._entries else ""

    def push(self, name: str, undo: Callable[[], None]) -> Callable[[], None]:
        """Remember what was done; gives what undoes just this, once."""
        entry = _Entry(name, undo)
        self._entries.append(entry)
        self.changed.emit()
        return lambda: self._undo(entry)

    @Slot()
    def undo(self) -> None:
        """The last; nothing happens if there is none."""
        if self._entries:
            self._undo(self._entries[-1])

    def _undo(self, entry: _Entry) -> None:
        if entry in self._entries:
            self._entries.remove(entry)
            self.changed.emit()
            entry.undo()
