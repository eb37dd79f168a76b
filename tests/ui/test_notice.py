"""A notice floats over the page: it moves nothing, and a problem looks like one."""

import pytest
from PySide6.QtCore import QPoint
from PySide6.QtWidgets import QCheckBox, QPushButton, QVBoxLayout, QWidget
from pytestqt.qtbot import QtBot

from app.ui.widgets.notice_bar import CONFIRMED_FOR_MS, MARGIN_PX, MAX_WORDS, Notice


@pytest.fixture
def page(qtbot: QtBot) -> QWidget:
    made = QWidget()
    made.setLayout(QVBoxLayout())
    made.resize(900, 500)
    qtbot.addWidget(made)
    return made


def test_it_covers_the_page_s_end_and_moves_nothing(page: QWidget) -> None:
    layout, below = page.layout(), QPushButton("Below")
    assert layout is not None
    layout.addWidget(below)
    notice = Notice(page)
    page.show()
    before = below.mapTo(page, QPoint())
    notice.tell("Moved “demo” to the Trash.", "Undo", lambda: None)
    assert notice.isVisible()
    assert below.mapTo(page, QPoint()) == before
    assert notice.geometry().bottom() < page.height() - MARGIN_PX + 1
    page.resize(400, 300)
    assert notice.geometry().right() < 400
    assert notice.geometry().bottom() < 300


def test_a_long_sentence_is_shown_whole(page: QWidget) -> None:
    notice = Notice(page)
    page.show()
    notice.tell("short")
    low = notice.height()
    notice.tell("A sentence of many words. " * 12)
    assert notice.height() > low
    assert notice.text.height() >= notice.text.heightForWidth(notice.text.width())


def test_a_confirmation_leaves_by_itself_and_a_problem_stays(page: QWidget) -> None:
    notice = Notice(page)
    page.show()
    notice.tell("Restored.")
    assert (notice.is_problem, notice._timer.isActive()) == (False, True)
    assert notice._timer.interval() == CONFIRMED_FOR_MS
    notice.tell_problem("The disk is full.")
    assert (notice.is_problem, notice._timer.isActive()) == (True, False)
    assert notice.property("tone") == "danger"
    assert notice.glyph.isVisible()
    notice.tell("Lasting.", is_lasting=True)
    assert not notice._timer.isActive()
    notice.leave()
    assert notice.isVisible()


def test_a_sentence_that_is_cut_is_whole_in_its_tooltip(page: QWidget) -> None:
    notice = Notice(page)
    whole = f"{'a' * 2 * MAX_WORDS} end"
    notice.tell_problem(whole)
    assert notice.text.text().endswith("…")
    assert whole in notice.text.toolTip()
    notice.tell("Short.")
    assert notice.text.toolTip() == ""


def test_a_second_button_does_the_other_thing_and_is_there_only_where_one_is_offered(
    page: QWidget,
) -> None:
    notice, done = Notice(page), []
    page.show()
    notice.tell(
        "a", "Show", lambda: done.append("show"), further=("Copy", lambda: done.append("copy"))
    )
    notice.further.click()
    assert (done, notice.isVisible()) == (["copy"], False)
    notice.tell("b", "Show", lambda: done.append("show"))
    assert notice.further.isHidden()
    notice.action.click()
    assert done == ["copy", "show"]


def test_it_covers_no_row_of_buttons_however_many_there_are(page: QWidget) -> None:
    layout, notice = page.layout(), Notice(page)
    assert isinstance(layout, QVBoxLayout)
    layout.addStretch(1)
    rows = [QPushButton(text) for text in ("Open", "Move to Trash")]
    for button in rows:
        layout.addWidget(button)
    page.show()
    notice.tell("Removed “second” from the queue.", "Undo", lambda: None)
    assert notice.geometry().bottom() < rows[0].geometry().top()
    notice.hide()
    rows[0].hide()
    notice.tell("Removed “third” from the queue.", "Undo", lambda: None)
    assert rows[0].geometry().top() < notice.geometry().bottom() < rows[1].geometry().top()


def test_it_makes_way_for_buttons_that_come_after_it(page: QWidget, qtbot: QtBot) -> None:
    layout, notice = page.layout(), Notice(page)
    assert isinstance(layout, QVBoxLayout)
    layout.addStretch(1)
    row = QPushButton("Open")
    layout.addWidget(row)
    row.hide()
    page.show()
    notice.tell("Removed “second” from the queue.", "Undo", lambda: None)
    row.show()
    qtbot.waitUntil(lambda: notice.geometry().bottom() < row.geometry().top())


def test_it_covers_no_check_box(page: QWidget) -> None:
    layout, notice = page.layout(), Notice(page)
    assert isinstance(layout, QVBoxLayout)
    layout.addStretch(1)
    box = QCheckBox("Skip rows that can't be used")
    layout.addWidget(box)
    page.show()
    notice.tell("Restored the settings you had before the sample data.")
    assert notice.geometry().bottom() < box.geometry().top()
