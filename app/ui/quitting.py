"""Quitting during a run: asks first, then waits until the run has kept its checkpoint."""

from PySide6.QtCore import QObject, Signal
from PySide6.QtWidgets import QMessageBox, QWidget

from app.ui.app_state import AppState
from app.ui.plain_text import dialog
from app.ui.run_control import RunControl


class Quitting(QObject):
    decided = Signal()
    """The run in progress is about to be stopped so that the window can be closed."""
    ready = Signal()
    """The run that was in the way is over: the window can be closed."""

    def __init__(self, state: AppState, control: RunControl, window: QWidget) -> None:
        super().__init__(window)
        self._state, self._control, self._window = state, control, window
        self.is_decided = False
        self.question: QMessageBox | None = None
        control.run_ended.connect(self._go_on)

    def may_close(self) -> bool:
        """Whether nothing is in the way; otherwise asks, and `ready` comes if the user agrees."""
        if not self._state.phase.is_active:
            return True
        if not self.is_decided and self.question is None:
            self._ask()
        return False

    def stop_and_quit(self) -> None:
        self.is_decided = True
        self.decided.emit()
        self._control.stop()
        if not self._state.phase.is_active:
            self.ready.emit()

    def _ask(self) -> None:
        box = dialog(self._window, "A run is in progress.", f"Stop it and quit? {self._kept()}")
        box.setIcon(QMessageBox.Icon.Question)
        stop = box.addButton("Stop and Quit", QMessageBox.ButtonRole.AcceptRole)
        cancel = box.addButton(QMessageBox.StandardButton.Cancel)
        box.setDefaultButton(stop)
        box.setEscapeButton(cancel)
        box.setWindowModality(box.windowModality().WindowModal)
        box.finished.connect(lambda _: self._take_answer(box.clickedButton() is stop))
        self.question = box
        box.open()

    def _kept(self) -> str:
        if self._state.step is None and self._state.checkpoint is None:
            return "It has made no step yet, so nothing of it is kept."
        return "A checkpoint is kept."

    def _take_answer(self, is_agreed: bool) -> None:
        if self.question is not None:
            self.question.deleteLater()
            self.question = None
        if is_agreed:
            self.stop_and_quit()

    def _go_on(self) -> None:
        if self.is_decided:
            self.ready.emit()
