"""Handles closing and quitting while a run is in progress: a run continues after its window closes;
quitting asks first and waits until the run has saved a checkpoint.

With a Dock, a closed window is hidden and the app keeps running. Elsewhere the app quits with its
window, so the window is only minimized while a run is in progress.
"""

from PySide6.QtCore import QEvent, QObject, Qt, Signal, Slot
from PySide6.QtWidgets import QApplication, QMessageBox

from app.core.text.sanitize import single_line
from app.core.text.translation import tr
from app.ui.look.plain_text import dialog
from app.ui.state.app_state import AppState
from app.ui.state.run_control import RunControl
from app.ui.state.run_state import Phase
from app.ui.system import file_manager
from app.ui.window.main_window import MainWindow

_MAX_NAME_CHARACTERS = 80
_ROLES = QMessageBox.ButtonRole


class QuitGuard(QObject):
    decided = Signal()
    """The run in progress is about to be stopped for quitting."""
    ready = Signal()
    """The app can quit now."""

    def __init__(
        self,
        state: AppState,
        control: RunControl,
        window: MainWindow,
        *,
        has_dock: bool = file_manager.HAS_DOCK,
    ) -> None:
        super().__init__(window)
        self._state, self._control, self._window = state, control, window
        self._has_dock = has_dock
        self.is_decided = False
        self.question: QMessageBox | None = None
        self._open_reason = ""
        """The text of the notice that explains why the window stayed open; it must go when the run
        ends.
        """
        control.run_ended.connect(self._note_end)
        window.about_to_close.connect(self._answer_close)

    @Slot(object)
    def answer_quit(self, event: QEvent) -> None:
        """Handle a quit request of the system."""
        if not self.may_quit():
            event.ignore()

    @Slot(object)
    def _answer_close(self, event: QEvent) -> None:
        if not self.may_close():
            event.ignore()

    def may_close(self) -> bool:
        """Whether the window may close. Without a Dock, a run in progress minimizes it instead."""
        if self._has_dock or not self._state.phase.is_active:
            return True
        if self._state.phase is Phase.STOPPING:
            self.is_decided = True
        elif not self.is_decided:
            how = tr("To stop it, choose File > Quit Nestling.")
            self._open_reason = f"{self._run_status()} {how}"
            self._window.notice.tell(self._open_reason, is_lasting=True)
            self._window.showMinimized()
        return False

    def close_front(self) -> None:
        """Close the front window, which may be the settings or the guide."""
        (QApplication.activeWindow() or self._window).close()

    def quit(self) -> None:
        """Quit now, or after the run in progress was stopped if the user agrees."""
        if self.may_quit():
            self.ready.emit()

    def may_quit(self) -> bool:
        """Whether the app may quit now. Otherwise asks the user; `ready` follows if the user
        agrees.
        """
        if not self._state.phase.is_active:
            return True
        if self._state.phase is Phase.STOPPING:
            self.is_decided = True
        elif not self.is_decided and self.question is None:
            self._window.come_forward()
            self._ask()
        return False

    def stop_and_quit(self) -> None:
        self.is_decided = True
        # If the user has already chosen Stop, the queue stays paused.
        if self._state.phase is not Phase.STOPPING:
            self.decided.emit()
        self._control.stop()
        if not self._state.phase.is_active:
            self.ready.emit()

    def note_application_state(self, application_state: Qt.ApplicationState) -> None:
        """Show the closed window again after a click on the Dock icon."""
        is_active = application_state is Qt.ApplicationState.ApplicationActive
        windows = QApplication.topLevelWidgets()
        if is_active and self._has_dock and not any(one.isVisible() for one in windows):
            self._window.come_forward()

    def _ask(self) -> None:
        is_paused = self._state.phase is Phase.PAUSED
        box = dialog(self._window, self._run_status(), self._consequence())
        box.setIcon(QMessageBox.Icon.Question)
        stop = box.addButton(tr("Stop and Quit"), _ROLES.AcceptRole)
        keep = box.addButton(tr("Cancel") if is_paused else tr("Keep Training"), _ROLES.RejectRole)
        if self._has_dock and not is_paused:
            hide = box.addButton(tr("Hide Window and Keep Training"), _ROLES.ActionRole)
            hide.clicked.connect(self._window.close)
        box.setDefaultButton(stop if self._has_progress() else keep)
        box.setEscapeButton(keep)
        box.setWindowModality(box.windowModality().WindowModal)
        box.finished.connect(lambda _: self._take_answer(box.clickedButton() is stop))
        self.question = box
        box.open()

    def _run_status(self) -> str:
        name = single_line(self._state.run_name, _MAX_NAME_CHARACTERS)
        if self._state.phase is Phase.PAUSED:
            return tr("“{name}” is paused.", name=name)
        return tr("“{name}” is still training.", name=name)

    def _has_progress(self) -> bool:
        state = self._state
        return state.is_resumed or state.step is not None or state.checkpoint is not None

    def _consequence(self) -> str:
        if not self._has_progress():
            return tr("It hasn't finished its first step. If you quit now, nothing of it is kept.")
        return tr("If you quit now, a checkpoint is saved. You can resume the run later.")

    def _take_answer(self, is_agreed: bool) -> None:
        if self.question is not None:
            self.question.deleteLater()
            self.question = None
        if is_agreed:
            self.stop_and_quit()

    def _note_end(self) -> None:
        notice = self._window.notice
        if self._open_reason and notice.text.text() == self._open_reason:
            notice.hide()
        if self.question is not None:
            self.question.reject()
        if self.is_decided:
            self.ready.emit()
