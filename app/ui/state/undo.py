"""The window's undo history, independent of what is undone."""

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
        """The name of the next action to undo, such as "Move to Trash"; empty if there is none."""
        return self._entries[-1].name if self._entries else ""

    def push(self, name: str, undo: Callable[[], None]) -> Callable[[], None]:
        """Add an action. Returns a function that undoes only this action, once."""
        entry = _Entry(name, undo)
        self._entries.append(entry)
        self.changed.emit()
        return lambda: self._undo(entry)

    @Slot()
    def undo(self) -> None:
        """Undo the last action, if there is one."""
        if self._entries:
            self._undo(self._entries[-1])

    def _undo(self, entry: _Entry) -> None:
        if entry in self._entries:
            self._entries.remove(entry)
            self.changed.emit()
            entry.undo()
