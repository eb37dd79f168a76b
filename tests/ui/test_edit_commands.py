"""Copy, Select All and Undo where the keyboard is, also in what can't be edited."""

from collections import Counter

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QAction, QGuiApplication, QShortcut
from PySide6.QtWidgets import (
    QAbstractItemView,
    QLineEdit,
    QPlainTextEdit,
    QSpinBox,
    QTextEdit,
    QVBoxLayout,
    QWidget,
)
from pytestqt.qtbot import QtBot

from app.application import Nestling
from app.core.config.training_config import TrainingConfig
from app.library.queue_store import queued_run
from app.ui.state.undo import UndoHistory
from app.ui.tables.row_table import make_table
from app.ui.tables.run_rows import waiting_runs
from app.ui.tables.runs_model import RunsModel
from app.ui.widgets.basic_widgets import label
from app.ui.window.edit_commands import EditCommands


@pytest.fixture
def place(qtbot: QtBot) -> QWidget:
    made = QWidget()
    made.setLayout(QVBoxLayout())
    qtbot.addWidget(made)
    QGuiApplication.clipboard().setText("before")
    return made


def focused(place: QWidget, widget: QWidget, qtbot: QtBot) -> None:
    layout = place.layout()
    assert layout is not None
    layout.addWidget(widget)
    place.show()
    place.activateWindow()
    widget.setFocus()
    qtbot.waitUntil(widget.hasFocus)


@pytest.mark.parametrize("kind", [QPlainTextEdit, QTextEdit, QLineEdit])
def test_text_that_is_only_read_is_selected_and_copied(
    place: QWidget, qtbot: QtBot, kind: type[QWidget]
) -> None:
    text, edit = kind(), EditCommands(UndoHistory())
    text.setReadOnly(True)  # type: ignore[attr-defined]
    getattr(text, "setPlainText", getattr(text, "setText", None))("a line")
    focused(place, text, qtbot)
    assert [edit.can(verb) for verb in ("copy", "selectAll", "paste", "cut", "undo")] == [
        False, True, False, False, False,
    ]  # fmt: skip
    edit.do("selectAll")
    edit.do("copy")
    assert QGuiApplication.clipboard().text() == "a line"
    edit.do("cut")
    edit.do("paste")
    assert getattr(text, "toPlainText", getattr(text, "text", None))() == "a line"


def test_a_selectable_label_is_copied(place: QWidget, qtbot: QtBot) -> None:
    text, edit = label("a fact"), EditCommands(UndoHistory())
    text.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
    focused(place, text, qtbot)
    edit.do("selectAll")
    edit.do("copy")
    assert QGuiApplication.clipboard().text() == "a fact"


def test_rows_are_selected_and_copied_as_lines(place: QWidget, qtbot: QtBot) -> None:
    model, edit = RunsModel(), EditCommands(UndoHistory())
    model.show_waiting(waiting_runs([queued_run(TrainingConfig(name=n)) for n in ("a", "b")], ""))
    table = make_table(model, "Runs", (0,))
    table.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
    for column in range(1, model.columnCount() - 1):
        table.setColumnHidden(column, True)
    focused(place, table, qtbot)
    edit.do("selectAll")
    edit.do("copy")
    assert QGuiApplication.clipboard().text() == "a\tWaiting · 1 of 2\nb\tWaiting · 2 of 2"


def test_undo_is_the_text_s_own_where_one_is_edited_else_the_window_s(
    place: QWidget, qtbot: QtBot
) -> None:
    history, done = UndoHistory(), []
    edit = EditCommands(history)
    history.push("Move to Trash", lambda: done.append("restored"))
    spin = QSpinBox()
    focused(place, spin, qtbot)
    assert not edit.can("undo")
    assert edit.undo_name() == ""
    spin.lineEdit().setText("7")
    log = QPlainTextEdit()
    log.setReadOnly(True)
    focused(place, log, qtbot)
    assert edit.can("undo")
    assert edit.undo_name() == "Move to Trash"
    edit.do("undo")
    assert done == ["restored"]
    assert not edit.can("undo")


def test_no_two_shortcuts_of_the_window_share_a_key(nestling: Nestling) -> None:
    """Qt does neither then, and says so in its log alone."""
    window = nestling.window
    window.show()
    actions = window.findChildren(QAction)
    menus = Counter(key.toString() for action in actions for key in action.shortcuts())
    on_pages = {short.key().toString() for short in window.findChildren(QShortcut)}
    assert [key for key, count in menus.items() if count > 1 or key in on_pages] == []
