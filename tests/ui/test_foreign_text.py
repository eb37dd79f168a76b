"""Names that look like HTML, hold an ampersand or turn the writing: shown as they stand."""

from collections.abc import Callable, Iterator
from html import unescape
from pathlib import Path

import pytest
from PySide6.QtCore import QAbstractItemModel, Qt
from PySide6.QtGui import Qt as QtGui
from PySide6.QtWidgets import QAbstractButton, QAbstractItemView, QLabel, QMessageBox, QWidget
from pytestqt.qtbot import QtBot

from app.application import Nestling
from app.core.errors import Failure
from app.core.files.paths import runs_dir
from app.ui.state.window_pages import Place
from app.ui.system.error_dialog import ErrorDialog
from tests.conftest import write_chats
from tests.ui.dropped_files import drop

NAME = "R&D <img src=x> b"
TURNED = f"{NAME} \u202eb"


def texts_of(widget: QWidget) -> Iterator[tuple[str, str]]:
    """What a widget shows, each with how Qt takes it: as it stands, by a guess, or as a caption."""
    yield "guessed", widget.toolTip()
    if isinstance(widget, QLabel):
        is_plain = widget.textFormat() is Qt.TextFormat.PlainText
        yield "plain" if is_plain else "guessed", widget.text()
    if isinstance(widget, QAbstractButton):
        yield "caption", widget.text()
    if isinstance(widget, QAbstractItemView) and widget.model() is not None:
        yield from cells_of(widget.model())


def cells_of(model: QAbstractItemModel) -> Iterator[tuple[str, str]]:
    for column in range(model.columnCount()):
        yield "plain", str(model.headerData(column, Qt.Orientation.Horizontal) or "")
        tip = model.headerData(column, Qt.Orientation.Horizontal, Qt.ItemDataRole.ToolTipRole)
        yield "guessed", str(tip or "")
    for row in range(model.rowCount()):
        for column in range(model.columnCount()):
            index = model.index(row, column)
            yield "plain", str(index.data() or "")
            yield "guessed", str(index.data(Qt.ItemDataRole.ToolTipRole) or "")


def wrong(how: str, text: str) -> bool:
    """Whether the name in `text` does not come out as it stands."""
    if "\u202e" in text:
        return True
    if how == "caption":
        return "R&D" in text
    return how == "guessed" and "<img" in text and QtGui.mightBeRichText(text)


def seen(window: QWidget) -> set[str]:
    """In which ways the name is shown; fails where one of them is wrong."""
    ways = set()
    for widget in [window, *window.findChildren(QWidget)]:
        for how, text in texts_of(widget):
            assert not wrong(how, text), (type(widget).__name__, widget.objectName(), text)
            if "<img src=x>" in unescape(text):
                ways.add(how)
    return ways


@pytest.fixture
def make_hostile(make_run: Callable[..., Path]) -> Path:
    made = make_run(runs_dir() / NAME, name=NAME, model=Path("/m") / NAME, data=Path("/d") / NAME)
    make_run(runs_dir() / f"{NAME} 2", name=f"{NAME} 2", data=Path("/d") / NAME)
    return made


def test_a_run_s_name_is_shown_as_it_stands_all_over_the_library(
    nestling: Nestling, make_hostile: Path, qtbot: QtBot
) -> None:
    page = nestling.runs
    nestling.window.show_place(Place.RUNS)
    nestling.library_commands.list_runs()
    qtbot.waitUntil(lambda: page.list.runs.rowCount() == 2)
    assert {"plain", "guessed"} <= seen(nestling.window)
    nestling.library_commands.open_run(make_hostile)
    qtbot.waitUntil(lambda: page.opened_run_dir == make_hostile)
    seen(nestling.window)
    nestling.library_commands.compare(tuple(page.list.runs.at(row) for row in range(2)))
    qtbot.waitUntil(lambda: bool(page.compared.runs))
    seen(nestling.window)
    nestling.window.notice.tell(f"{NAME} is gone.")
    seen(nestling.window)


def test_a_dataset_s_name_is_shown_as_it_stands_on_all_pages(
    nestling: Nestling, tmp_path: Path, qtbot: QtBot
) -> None:
    first, other = tmp_path / f"{TURNED}.jsonl", tmp_path / f"{TURNED} 2.jsonl"
    for path in (first, other):
        write_chats(path, 20)
        with path.open("a") as file:
            file.write(f'{{"{TURNED}": 1}}\n')
    assert drop(nestling.window, first, other)
    qtbot.waitUntil(lambda: len(nestling.state.config.mix) == 1)
    qtbot.waitUntil(lambda: nestling.data.problems.model.rowCount() > 0)
    assert seen(nestling.window) == {"plain", "guessed", "caption"}


@pytest.mark.parametrize("is_app_error", [True, False])
def test_an_error_names_what_it_is_about_as_it_stands(is_app_error: bool, qtbot: QtBot) -> None:
    window = QWidget()
    qtbot.addWidget(window)
    failure = Failure(f"{TURNED} is gone.", f"Put {TURNED} back.", "", is_app_error)
    ErrorDialog(window).show_failure(failure)
    box = window.findChild(QMessageBox)
    assert box is not None
    assert NAME in box.text() + unescape(box.informativeText())
    assert seen(box)
    box.close()
