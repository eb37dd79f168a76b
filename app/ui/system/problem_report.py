"""Report a Problem: a text about this installation to copy. Nothing is sent."""

import platform

from PySide6.QtCore import qVersion
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QMessageBox, QWidget

from app.core.files.paths import logs_dir
from app.core.system.version import version_line
from app.core.text.translation import tr
from app.ui.look.plain_text import dialog

ASKED = tr(
    "Copy this text, add what you did and what happened, and attach the newest file of the log "
    "folder if there is one. Nothing is sent by itself."
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
