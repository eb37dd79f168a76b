"""Opens files and folders in other apps: Finder or the file manager, a text editor, the browser."""

import sys
from pathlib import Path

from PySide6.QtCore import QProcess, QUrl
from PySide6.QtGui import QDesktopServices

from app.core.text.translation import tr

HAS_DOCK = sys.platform == "darwin"
"""Whether the desktop has a Dock: the app stays open without a window, and its icon reopens it."""
REVEAL_LABEL = tr("Reveal in Finder") if sys.platform == "darwin" else tr("Show in Files")


def reveal(path: Path) -> bool:
    """Show `path` in its folder, on a Mac selected; False if the desktop can't."""
    if sys.platform == "darwin":
        return QProcess.startDetached("/usr/bin/open", ["-R", str(path)])[0]
    return QDesktopServices.openUrl(QUrl.fromLocalFile(str(path if path.is_dir() else path.parent)))


def open_web(url: QUrl) -> bool:
    """Open a web page in the user's browser; False if there is none."""
    return url.scheme() in ("http", "https") and QDesktopServices.openUrl(url)


def open_text(path: Path) -> bool:
    """Open a file in the user's text editor; False if there is none."""
    if sys.platform == "darwin":  # no app is registered for .jsonl
        return QProcess.startDetached("/usr/bin/open", ["-t", str(path)])[0]
    return QDesktopServices.openUrl(QUrl.fromLocalFile(str(path)))
