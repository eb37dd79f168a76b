"""The actions on the current run, shared by menu and buttons, with the reasons why they are
disabled.
"""

from PySide6.QtCore import QObject
from PySide6.QtGui import QAction, QKeySequence

from app.core.text.translation import tr
from app.ui.look.plain_text import follow_tip, set_tip
from app.ui.state.app_state import AppState
from app.ui.state.run_control import RunControl
from app.ui.state.run_queue import RunQueue
from app.ui.state.run_state import Phase
from app.ui.widgets.basic_widgets import PushButton, enable


class RunActions(QObject):
    def __init__(self, state: AppState, control: RunControl, queue: RunQueue) -> None:
        super().__init__(state)
        self._state, self._queue = state, queue
        self.start = _action(self, tr("Start"), "Ctrl+R")
        self.pause = _action(self, tr("Pause"), "Ctrl+Alt+P")
        self.save = _action(self, tr("Save Checkpoint"), "Ctrl+S")
        self.stop = _action(self, tr("Stop"), "Ctrl+.")
        self.queue = _action(self, tr("Add to Queue"), "Ctrl+Shift+A")
        self.queue.triggered.connect(self._add)
        self.start.triggered.connect(control.start)
        self.pause.triggered.connect(control.toggle_pause)
        self.save.triggered.connect(control.save_checkpoint)
        self.stop.triggered.connect(control.stop)
        state.phase_changed.connect(self.refresh)
        state.config_changed.connect(self.refresh)
        state.dataset_changed.connect(self.refresh)
        state.preview_changed.connect(self.refresh)
        queue.changed.connect(self.refresh)
        self.refresh()

    def refresh(self) -> None:
        phase, why_not = self._state.phase, self._state.start_blocker()
        self.start.setEnabled(not why_not)
        _explain(self.start, why_not or tr("Train on this dataset"))
        self.queue.setText(tr("Update in Queue") if self._queue.is_edited else tr("Add to Queue"))
        why_not_queue = self._state.queue_blocker()
        self.queue.setEnabled(not why_not_queue)
        _explain(
            self.queue,
            why_not_queue or tr("Train with these settings after the runs ahead in the queue"),
        )
        is_going = phase.may_be_stopped
        is_pause_wanted = phase in (Phase.PAUSING, Phase.PAUSED)
        self.pause.setText(tr("Resume") if is_pause_wanted else tr("Pause"))
        for action in (self.pause, self.save, self.stop):
            action.setEnabled(is_going)
        is_stopping = phase is Phase.STOPPING
        idle = tr("The run is being stopped.") if is_stopping else tr("No run is in progress.")
        pause = tr("Continue this run") if is_pause_wanted else tr("Pause after the current step")
        _explain(self.pause, pause if is_going else idle)
        _explain(self.save, tr("Save a checkpoint at the current step") if is_going else idle)
        _explain(self.stop, tr("Stop and save a checkpoint") if is_going else idle)

    def _add(self) -> None:
        """Add the plan to the queue, or update the queued run that is being edited."""
        if self._queue.is_edited:
            self._queue.update(self._state.config)
        else:
            self._queue.add(self._state.config)


class ActionButton(PushButton):
    """A push button with the text, tool tip and enabled state of a QAction, which it triggers."""

    def __init__(self, action: QAction, role: str = "") -> None:
        super().__init__()
        self._action = action
        self.setObjectName(role)
        self.setAutoDefault(False)
        self.clicked.connect(action.trigger)
        action.changed.connect(self._follow)
        self._follow()

    def _follow(self) -> None:
        self.setText(self._action.text())
        self.setAccessibleName(self._action.text())
        enable(self, self._action.isEnabled())
        follow_tip(self, self._action)


def _action(parent: QObject, text: str, shortcut: str) -> QAction:
    made = QAction(text, parent)
    made.setShortcut(QKeySequence(shortcut))
    return made


def _explain(action: QAction, text: str) -> None:
    keys = action.shortcut().toString(QKeySequence.SequenceFormat.NativeText)
    set_tip(action, f"{text} ({keys})" if action.isEnabled() else text)
