"""The one place where something unforeseen is shown: plain words first, the details on request."""

import sys
import traceback
from contextlib import suppress
from types import TracebackType

from PySide6.QtCore import QObject, Signal
from PySide6.QtWidgets import QMessageBox, QWidget

from app.core.errors import AppError
from app.workers.background import Failure, failure_of


class ErrorSink(QObject):
    """Takes over `sys.excepthook`; what happens on another thread is shown in the GUI thread."""

    failed = Signal(object)

    def __init__(self, window: QWidget) -> None:
        super().__init__(window)
        self._window = window
        self._is_showing = False
        self.failed.connect(self.show_failure)

    def install(self) -> None:
        sys.excepthook = self._take

    def uninstall(self) -> None:
        sys.excepthook = sys.__excepthook__

    def show_failure(self, failure: Failure) -> None:
        """Show one at a time: an error that repeats must not bury the window."""
        if self._is_showing:
            return
        self._is_showing = True
        box = QMessageBox(self._window)
        box.setIcon(QMessageBox.Icon.Warning)
        if failure.is_app_error:
            box.setText(failure.message)
            box.setInformativeText(failure.hint)
        else:
            box.setText("Nestling met an error it did not foresee.")
            box.setInformativeText(
                f"{failure.message}\n\nWhat was saved before is whole. The details help to mend it."
            )
            box.setDetailedText(failure.details)
        box.finished.connect(self._closed)
        box.finished.connect(box.deleteLater)
        box.open()

    def _closed(self) -> None:
        self._is_showing = False

    def _take(
        self, kind: type[BaseException], error: BaseException, trace: TracebackType | None
    ) -> None:
        if not isinstance(error, Exception):
            sys.__excepthook__(kind, error, trace)
            return
        if not isinstance(error, AppError):
            with suppress(OSError):  # a terminal that was closed has nobody to read it
                traceback.print_exception(kind, error, trace)
        self.failed.emit(failure_of(error))
