"""The seam to the user's desktop: shows a folder in Finder or the file manager, opens a text."""

import sys
from pathlib import Path

from PySide6.QtCore import QProcess, QUrl
from PySide6.QtGui import QDesktopServices

from app.core.text.translation import tr

HAS_DOCK = sys.platform == "darwin"
"""An app without a window stays open, and its icon brings the window back."""
REVEAL_LABEL = tr("Reveal in Finder") if sys.platform == "darwin" else tr("Show in Files")


def reveal(path: Path) -> bool:
    """Show `path` selected in its folder; False when the desktop has no way to."""
    if sys.platform == "darwin":
        return QProcess.startDetached("/usr/bin/open", ["-R", str(path)])[0]
    return QDesktopServices.openUrl(QUrl.fromLocalFile(str(path if path.is_dir() else path.parent)))


def open_web(url: QUrl) -> bool:
    """Open a web page in the user's browser; False when the desktop has none."""
    return url.scheme() in ("http", "https") and QDesktopServices.openUrl(url)


def open_text(path: Path) -> bool:
    """Open the file in the user's program for texts; False when the desktop has none."""
    if sys.platform == "darwin":  # a .jsonl has no program of its own
        return QProcess.startDetached("/usr/bin/open", ["-t", str(path)])[0]
    return QDesktopServices.openUrl(QUrl.fromLocalFile(str(path)))
