"""The style sheet is read wherever the app lies."""

import shutil
from pathlib import Path

import pytest
from PySide6.QtWidgets import QApplication, QCheckBox, QLineEdit, QPushButton, QWidget
from pytestqt.qtbot import QtBot

from app.core.files.paths import resources_dir
from app.ui.look.stylesheet import stylesheet
from app.ui.look.theme import LIGHT
from app.ui.widgets.calm_inputs import CalmComboBox, CalmSpinBox
from app.ui.widgets.layouts import lay_out


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


def test_fields_and_buttons_of_a_row_are_of_one_height(qapp: QApplication, qtbot: QtBot) -> None:
    page = QWidget()
    qtbot.addWidget(page)
    spin, plain = CalmSpinBox(1, 10), CalmSpinBox(1, 10)
    plain.setButtonSymbols(CalmSpinBox.ButtonSymbols.NoButtons)
    parts = (spin, plain, QLineEdit(), CalmComboBox({"a": "A"}, "choice"), QPushButton("Start"))
    lay_out(page, *parts)
    qapp.setStyleSheet(stylesheet(LIGHT))
    page.show()
    assert {part.height() for part in parts} == {28}
    qapp.setStyleSheet("")
