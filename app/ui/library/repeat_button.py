"""What an opened run can be made into: another run, a place in the queue, a file."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from PySide6.QtCore import Signal
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QMenu, QPushButton

from app.core.repeating import as_plain_adamw
from app.ui.plain_text import set_tip

if TYPE_CHECKING:
    from app.library.run_details import RunDetails

_NOW = 2
"""So many of the ways to repeat a run take the Train page at once."""
_UNREADABLE = "Its settings can't be read."


class RepeatButton(QPushButton):
    """A menu; what it asks for is about the run last shown."""

    repeat_requested = Signal(object)
    """RunDetails, as in all of these but one."""
    plain_repeat_requested = Signal(object)
    """To be repeated as the control arm."""
    queue_requested = Signal(object)
    """TrainingConfig: to be trained when its turn comes."""
    settings_export_requested = Signal(object)
    data_export_requested = Signal(object)
    plots_export_requested = Signal(object)

    def __init__(self) -> None:
        super().__init__("Repeat")
        self.setObjectName("menu")
        self.setAutoDefault(False)
        self._run: RunDetails | None = None
        self._busy = ""
        menu = QMenu(self)
        menu.setToolTipsVisible(True)
        self.repeats = (
            menu.addAction("Repeat These Settings…", self._asking(self.repeat_requested)),
            menu.addAction("Repeat with Plain AdamW…", self._asking(self.plain_repeat_requested)),
            menu.addAction("Add to Queue", lambda: self._queue(is_plain=False)),
            menu.addAction("Add to Queue with Plain AdamW", lambda: self._queue(is_plain=True)),
        )
        menu.addSeparator()
        self.settings = menu.addAction(
            "Export Settings…", self._asking(self.settings_export_requested)
        )
        self.measured = (
            menu.addAction("Export Data as CSV…", self._asking(self.data_export_requested)),
            menu.addAction("Export Plots…", self._asking(self.plots_export_requested)),
        )
        self.setMenu(menu)

    def show_run(self, details: "RunDetails", *, has_steps: bool) -> None:
        """What the run doesn't allow is off, and says why."""
        self._run = details
        self._show_repeats()
        _allow(self.settings, bool(details.settings), _UNREADABLE)
        for export in self.measured:
            _allow(export, has_steps, "Nothing was measured, or it can't be read.")

    def set_busy(self, why_not: str) -> None:
        """Why nothing can be put on the Train page now; empty if it can."""
        self._busy = why_not
        self._show_repeats()

    def _show_repeats(self) -> None:
        """Those that open the Train page, then those that wait until it is free."""
        if (run := self._run) is None:
            return
        unread = "" if run.config is not None else run.config_problem or _UNREADABLE
        why_not = f"It can't be repeated. {unread}" if unread else ""
        for number, repeat in enumerate(self.repeats):
            busy = self._busy if number < _NOW else ""
            _allow(repeat, not (why_not or busy), why_not or busy)

    def _asking(self, signal: object) -> Callable[[], None]:
        return lambda: signal.emit(self._run)  # type: ignore[attr-defined]

    def _queue(self, *, is_plain: bool) -> None:
        if self._run is not None and (config := self._run.config) is not None:
            name = self._run.summary.name
            self.queue_requested.emit(as_plain_adamw(config, name) if is_plain else config)


def _allow(action: QAction, is_on: bool, why_not: str) -> None:
    action.setEnabled(is_on)
    set_tip(action, "" if is_on else why_not, is_wrapped=True)
