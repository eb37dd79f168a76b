"""Buttons in a row, which takes a second line where one is too short."""

import pytest
from PySide6.QtWidgets import QPushButton, QWidget
from pytestqt.qtbot import QtBot

from app.ui.widgets.wrapping_row import WrappingRow


@pytest.fixture
def row(qtbot: QtBot) -> tuple[QWidget, list[QPushButton]]:
    place = QWidget()
    qtbot.addWidget(place)
    buttons = [QPushButton(text) for text in ("Open", "Resume", "Compare", "Move to Trash")]
    place.setLayout(WrappingRow(buttons[:3], buttons[3:]))
    place.show()
    return place, buttons


def lines(buttons: list[QPushButton]) -> list[int]:
    return [button.y() for button in buttons if not button.isHidden()]


def test_a_wide_row_has_its_last_buttons_at_the_right(
    row: tuple[QWidget, list[QPushButton]],
) -> None:
    place, buttons = row
    place.resize(900, 60)
    assert len(set(lines(buttons))) == 1
    assert buttons[0].x() == 0
    assert buttons[3].geometry().right() == 899
    assert buttons[2].geometry().right() < 600


def test_a_narrow_row_wraps_and_cuts_no_button(row: tuple[QWidget, list[QPushButton]]) -> None:
    place, buttons = row
    layout = place.layout()
    assert layout is not None
    width = buttons[0].sizeHint().width() + buttons[1].sizeHint().width() + layout.spacing()
    assert layout.heightForWidth(width) > buttons[0].sizeHint().height()
    place.resize(width, layout.heightForWidth(width))
    assert lines(buttons)[0] == lines(buttons)[1] < lines(buttons)[2] < lines(buttons)[3]
    assert buttons[3].geometry().right() == place.rect().right()
    for button in buttons:
        assert button.width() >= button.sizeHint().width()
        assert place.rect().contains(button.geometry())


def test_a_hidden_button_takes_no_room(row: tuple[QWidget, list[QPushButton]]) -> None:
    place, buttons = row
    layout = place.layout()
    assert layout is not None
    before = layout.sizeHint().width()
    buttons[1].hide()
    assert layout.sizeHint().width() < before
    place.resize(900, 60)
    layout.activate()
    assert buttons[2].x() == buttons[0].geometry().right() + 1 + layout.spacing()


def test_a_button_that_grows_or_goes_changes_the_height(
    row: tuple[QWidget, list[QPushButton]],
) -> None:
    place, buttons = row
    layout = place.layout()
    assert layout is not None
    width = layout.sizeHint().width()
    one_line = layout.heightForWidth(width)
    buttons[0].setText("Open in Another Window")
    assert layout.heightForWidth(width) > one_line
    buttons[3].hide()
    assert layout.heightForWidth(width) == one_line
