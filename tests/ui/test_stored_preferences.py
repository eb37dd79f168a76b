"""What the window remembers is the user's alone."""

import stat
from pathlib import Path

import pytest
from PySide6.QtCore import QObject
from PySide6.QtWidgets import QApplication

from app.core.files.paths import home_dir
from app.ui.system.stored_preferences import Preferences
from app.workers.background_thread import BackgroundThread


@pytest.mark.parametrize("is_old", [True, False])
def test_the_settings_file_is_the_user_s_alone(qapp: QApplication, is_old: bool) -> None:
    path: Path = home_dir() / "settings.ini"
    if is_old:
        path.parent.mkdir()
        path.write_text("[General]\nearlier=1\n")
        path.chmod(0o644)
    parent = QObject()
    background = BackgroundThread(parent)
    settings = Preferences(path, background)
    settings.set("folder", "/private/place")
    settings.close()
    background.shut_down()
    assert "/private/place" in path.read_text()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert ("earlier" in path.read_text()) == is_old
