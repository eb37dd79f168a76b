"""Handles a failed start: writes a log, and shows a dialog, because most users don't see standard
error.
"""

import faulthandler
import signal
import subprocess
import sys
import traceback
from contextlib import suppress
from pathlib import Path

from app.core.errors import AppError
from app.core.files.paths import logs_dir
from app.core.text.sanitize import error_text
from app.core.text.sentences import localized
from app.core.text.translation import tr

_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
START_LOG, CRASH_LOG = "start.log", "crash.log"
_SCRIPT = """on run argv
display alert (item 1 of argv) message (item 2 of argv) as critical buttons {"Quit"}
end run"""
"""The texts are passed as arguments, so they can't be executed. `text` is a reserved word in
AppleScript and can't be a variable name.
"""


def log_crashes() -> None:
    """Write the Python stack of a crash, such as a segmentation fault, to the log folder."""
    with suppress(OSError):
        logs_dir().mkdir(parents=True, exist_ok=True)
        # Not closed: the handler writes to it until the process ends.
        faulthandler.enable((logs_dir() / CRASH_LOG).open("a"))


def show_start_failure(error: Exception) -> None:
    """Show the error in a Qt dialog, or with AppleScript on macOS if Qt can't be imported."""
    title, text = _words(error, write_log(error))
    try:
        _show_with_qt(title, text)
    except ImportError:
        if sys.platform == "darwin":
            subprocess.run(["/usr/bin/osascript", "-e", _SCRIPT, title, text], check=False)


def write_log(error: Exception) -> Path | None:
    """Write the error with its traceback. Returns None if the log folder can't be written."""
    path = logs_dir() / START_LOG
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(traceback.format_exception(error)), encoding="utf-8")
    except OSError:
        return None
    return path


def _words(error: Exception, log: Path | None) -> tuple[str, str]:
    if isinstance(error, AppError):
        return localized(error.message), localized(error.hint)
    what = f"{type(error).__name__}: {error_text(error)}."
    where = tr("The details are in {log}.", log=log) if log is not None else ""
    return tr("Nestling can't start."), f"{what}\n\n{where}".rstrip()


def _show_with_qt(title: str, text: str) -> None:
    from PySide6.QtWidgets import QApplication, QMessageBox

    from app.ui.look.plain_text import dialog

    application = QApplication.instance() or QApplication(["nestling"])
    box = dialog(None, title, text)
    box.setIcon(QMessageBox.Icon.Critical)
    # Default handlers, because Python's don't run while the dialog waits: a signal ends the
    # process.
    before = {number: signal.signal(number, signal.SIG_DFL) for number in _ENDING}
    try:
        box.exec()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    del application
