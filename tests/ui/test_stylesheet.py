"""The style sheet is read wherever the app lies."""

import shutil
from pathlib import Path

import pytest
from PySide6.QtWidgets import QApplication, QCheckBox

from app.core.files.paths import resources_dir
from app.ui.look.stylesheet import stylesheet
from app.ui.look.theme import LIGHT


@pytest.mark.parametrize("name", ["plain", "a b", "Größe", "it's", 'a"b', "p)(q", "b\\c", "日本"])
def test_drawings_are_found_in_a_folder_of_any_name(
    qapp: QApplication, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """What Qt can't parse it says as a warning, which fails the test."""
    shutil.copytree(resources_dir() / "style", tmp_path / name / "style")
    monkeypatch.setattr("app.ui.look.stylesheet.resources_dir", lambda: tmp_path / name)
    qapp.setStyleSheet(stylesheet(LIGHT))
    box = QCheckBox()
    box.setChecked(True)
    box.grab()
    qapp.setStyleSheet("")  # a program begins without one
