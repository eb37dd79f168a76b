"""Shows unexpected errors: a plain sentence, with details on request. Also the text for Report a
Problem, which the user can copy; nothing is sent.
"""

import platform
import sys
import traceback
from contextlib import suppress
from types import TracebackType

from PySide6.QtCore import QObject, Signal, qVersion
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QMessageBox, QWidget

from app.core.errors import AppError, Failure
from app.core.files.paths import logs_dir
from app.core.system.version import version_line
from app.core.text.sanitize import visible
from app.core.text.sentences import localized
from app.core.text.translation import tr
from app.ui.look.plain_text import dialog
from app.workers.background_job import failure_of

REASSURANCE = tr("Saved work is intact. Include the details when you report it.")


class ErrorDialog(QObject):
    """Replaces `sys.excepthook`. Errors of other threads are shown on the GUI thread."""

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
        """Show only one dialog at a time, because an error may repeat."""
        if self._is_showing:
            return
        self._is_showing = True
        if failure.is_app_error:
            box = dialog(self._window, localized(failure.message), localized(failure.hint))
        else:
            box = dialog(
                self._window, tr("Something went wrong."),
                f"{failure.message}\n\n{REASSURANCE}",
            )  # fmt: skip
            box.setDetailedText(visible(failure.details))
        box.setIcon(QMessageBox.Icon.Warning)
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
            with suppress(OSError):  # the terminal may have been closed
                traceback.print_exception(kind, error, trace)
        self.failed.emit(failure_of(error))


ASKED = tr(
    "Copy this text, describe what you did and what happened, and attach the newest log file, "
    "if any. Nothing is sent automatically."
)


def report_text() -> str:
    return "\n".join(
        (
            f"Nestling {version_line()}",
            f"{platform.platform()}, {platform.machine()}",
            f"Python {platform.python_version()}, Qt {qVersion()}",
            f"Logs: {logs_dir()}",
        )
    )


def show_report(window: QWidget) -> None:
    text = report_text()
    box = dialog(window, tr("Report a Problem"), f"{ASKED}\n\n{text}")
    copy = box.addButton(tr("Copy"), QMessageBox.ButtonRole.AcceptRole)
    box.addButton(QMessageBox.StandardButton.Close)
    box.setDefaultButton(copy)
    copy.clicked.connect(lambda: QGuiApplication.clipboard().setText(text))
    box.finished.connect(box.deleteLater)
    box.open()
