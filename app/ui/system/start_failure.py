"""A start that failed: written to a log, and shown where nobody reads standard error."""

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
"""The texts are arguments of the script, never part of it. `text` is a class of AppleScript's own:
it can't be the name of one."""


def log_crashes() -> None:
    """Have a crash of the process itself described in the log folder."""
    with suppress(OSError):
        logs_dir().mkdir(parents=True, exist_ok=True)
        # Open to the end of the process: the handler writes to it.
        faulthandler.enable((logs_dir() / CRASH_LOG).open("a"))


def show_start_failure(error: Exception) -> None:
    """Say what is wrong and where: in a dialog of Qt, or of macOS where Qt itself is missing."""
    title, text = _words(error, write_log(error))
    try:
        _show_with_qt(title, text)
    except ImportError:
        if sys.platform == "darwin":
            subprocess.run(["/usr/bin/osascript", "-e", _SCRIPT, title, text], check=False)


def write_log(error: Exception) -> Path | None:
    """The error with its traceback; None where the log folder can't be written."""
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
    # While the dialog waits, no handler of Python's would run: a signal ends the process.
    before = {number: signal.signal(number, signal.SIG_DFL) for number in _ENDING}
    try:
        box.exec()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    del application
