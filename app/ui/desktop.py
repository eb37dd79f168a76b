"""The seam to the user's desktop: showing a folder in Finder or in the file manager."""

import sys
from pathlib import Path

from PySide6.QtCore import QProcess, QUrl
from PySide6.QtGui import QDesktopServices

REVEAL_LABEL = "Reveal in Finder" if sys.platform == "darwin" else "Show in Files"


def reveal(path: Path) -> bool:
    """Show `path` selected in its folder; False when the desktop has no way to."""
    if sys.platform == "darwin":
        return QProcess.startDetached("/usr/bin/open", ["-R", str(path)])[0]
    return QDesktopServices.openUrl(QUrl.fromLocalFile(str(path if path.is_dir() else path.parent)))
