"""The More button of a run's page: repeat, continue, export, delete."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from PySide6.QtCore import Signal
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QMenu

from app.core.config.presets import as_plain_adamw
from app.core.text.translation import tr
from app.ui.look import formatting
from app.ui.look.plain_text import set_tip
from app.ui.system.file_manager import REVEAL_LABEL
from app.ui.widgets.basic_widgets import PushButton

if TYPE_CHECKING:
    from app.library.reading.run_details import RunDetails

_UNREPEATABLE = tr("It can't be repeated.")
_UNREADABLE = tr("Its settings can't be read.")


class RunMenuButton(PushButton):
    """Its signals are about the run that was shown last."""

    repeat_requested = Signal(object)
    """Argument: RunDetails; so for all signals but `queue_requested`."""
    plain_repeat_requested = Signal(object)
    """The user wants to repeat the run with plain AdamW, for comparison."""
    continue_requested = Signal(object)
    """The user wants to train its adapter on other data."""
    queue_requested = Signal(object)
    """Argument: the TrainingConfig to queue."""
    settings_export_requested = Signal(object)
    data_export_requested = Signal(object)
    plots_export_requested = Signal(object)
    reveal_requested = Signal(object)
    delete_requested = Signal(object)

    def __init__(self) -> None:
        super().__init__(tr("More"))
        self.setObjectName("menu")
        self.setAutoDefault(False)
        self._run: RunDetails | None = None
        menu = QMenu(self)
        menu.setToolTipsVisible(True)
        self.continued = menu.addAction(
            tr("Continue with New Data…"), self._emitter(self.continue_requested)
        )
        self.repeats = (
            menu.addAction(tr("Use These Settings"), self._emitter(self.repeat_requested)),
            menu.addAction(tr("Use Plain AdamW"), self._emitter(self.plain_repeat_requested)),
            menu.addAction(tr("Add to Queue"), lambda: self._queue(is_plain=False)),
            menu.addAction(tr("Add to Queue with Plain AdamW"), lambda: self._queue(is_plain=True)),
        )
        menu.addSeparator()
        self.settings = menu.addAction(
            tr("Export Settings…"), self._emitter(self.settings_export_requested)
        )
        self.measured = (
            menu.addAction(tr("Export Data as CSV…"), self._emitter(self.data_export_requested)),
            menu.addAction(tr("Export Plots…"), self._emitter(self.plots_export_requested)),
        )
        menu.addSeparator()
        self.reveal = menu.addAction(REVEAL_LABEL, self._emitter(self.reveal_requested))
        self.delete = menu.addAction(tr("Move Run to Trash"), self._emitter(self.delete_requested))
        self.setMenu(menu)

    def show_run(self, details: "RunDetails", *, has_steps: bool) -> None:
        """Enable the actions that the run allows, and give reasons for the others."""
        self._run = details
        self._show_repeats()
        _allow(self.settings, "" if details.settings else _UNREADABLE)
        for export in self.measured:
            nothing = tr("Nothing was measured, or the measurements can't be read.")
            _allow(export, "" if has_steps else nothing)
        summary = details.summary
        no_adapter = "" if summary.adapter_dir is not None else tr("This run has no checkpoint.")
        _allow(self.continued, no_adapter)
        is_going = formatting.is_in_progress(summary.outcome)
        _allow(self.delete, tr("A run in progress can't be deleted.") if is_going else "")

    def _show_repeats(self) -> None:
        if (run := self._run) is None:
            return
        unread = "" if run.config is not None else run.config_problem or _UNREADABLE
        for repeat in self.repeats:
            _allow(repeat, f"{_UNREPEATABLE} {unread}" if unread else "")

    def _emitter(self, signal: object) -> Callable[[], None]:
        return lambda: signal.emit(self._run)  # type: ignore[attr-defined]

    def _queue(self, *, is_plain: bool) -> None:
        if self._run is not None and (config := self._run.config) is not None:
            name = self._run.summary.name
            self.queue_requested.emit(as_plain_adamw(config, name) if is_plain else config)


def _allow(action: QAction, why_not: str) -> None:
    action.setEnabled(not why_not)
    set_tip(action, why_not, is_wrapped=True)
