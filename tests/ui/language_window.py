"""`python -m tests.ui.language_window LANGUAGE HOME`: reads the texts of all pages, as JSON."""

import json
import os
import shutil
import sys
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from app.core.events import KNOWN_QUESTIONS, RetentionMeasured, ScoreMeasured
from app.core.files.paths import HOME_VARIABLE, resources_dir, runs_dir
from app.core.text.sentences import localized
from app.core.text.translation import use_language

if TYPE_CHECKING:
    from PySide6.QtWidgets import QTableView, QWidget

    from app.application import Nestling

SMALLEST = (820, 560)
SIZES = (SMALLEST, (1024, 700), (1440, 900))

ENDINGS = (
    ("finished", "All 8 steps done. Tier 1 learned nothing: its gradient was always zero."),
    ("finished", "The one step is done. 3 steps were void: nothing was learned there."),
    ("finished", "Ended early at step 8: 3 of 4 questions of “a” are answered."),
    ("stopped", "Stopped after step 8, before the last validation was done."),
    ("stopped", "Stopped before the first step."),
    ("failed", "At step 8, tier 1 was due but its weights did not move. There is no checkpoint."),
    ("failed", "The disk is full: /r/log.txt could not be written. Free some space, then resume; "
     "everything saved before is intact."),
)  # fmt: skip
"""Outcome and message of runs, as the engine words them."""
LOG_PART = 5
"""The log's number among the parts of a run."""
LOGGED = (
    "Sequence packing is on: this model's outputs are the same packed as unpacked.",
    "Resuming after step 1,200.",
)
MEASURED = (
    *(RetentionMeasured(step, step / 10, 4) for step in (0, 4, 8)),
    RetentionMeasured(8, 0.7, 10, is_last=True),
    *(ScoreMeasured(name, when, correct, 29)
      for name in ("new facts", "retention", KNOWN_QUESTIONS)
      for when, correct in (("before", 0), ("after", 27))),
)  # fmt: skip
"""Of the run whose page is read."""
BAD_ROWS = (
    {"messages": [{"role": "user", "content": "A question"}]},
    {"messages": [{"role": "user", "content": ["a", 5]}]},
    {"messages": "none"},
    {"prompt": "", "completion": "text"},
    {"prompt": "A", "completion": 5},
    {"question": "A"},
    [1, 2],
    {"prompt": "A", "completion": "B"},
    {"messages": [{"role": "robot", "content": "A"}]},
)


@dataclass
class Found:
    texts: list[str] = field(default_factory=list)
    """Of all labels and buttons."""
    english: list[str] = field(default_factory=list)
    """Those that are a text of the code, which the language words otherwise."""
    too_wide: list[str] = field(default_factory=list)
    """Columns that need more room than they have."""
    cut_off: list[str] = field(default_factory=list)
    """Buttons that are narrower than their words, and choosers that reach out of sight."""
    elided: list[str] = field(default_factory=list)
    """Labels, choosers, headings and cells that end in "…"; not paths, which lose their middle, and
    not the user's own texts."""


def main(language: str, home: Path) -> None:
    os.environ[HOME_VARIABLE] = str(home)
    use_language(language, resources_dir() / "languages")
    from PySide6.QtCore import QEventLoop

    from app.application import Nestling
    from app.core.config.presets import demo_config
    from app.ui.state.window_pages import Place
    from app.ui.system.language import translate_qt
    from app.ui.system.qt_application import make_application
    from tests.conftest import write_run
    from tests.library.made_up import write_state

    run = write_run(runs_dir() / "a", saves=(4, 8), periods=(1, 2, 4), scores=MEASURED)
    copy = run / "checkpoints" / "step-000009"
    shutil.copytree(run / "checkpoints" / "step-000008", copy)
    write_state(copy, 8)
    ended = [
        write_run(runs_dir() / f"ended-{number}", outcome=outcome, message=message, logged=LOGGED)
        for number, (outcome, message) in enumerate(ENDINGS)
    ]
    application = make_application(["nestling"])
    translate_qt(application)
    nestling = Nestling(application, demo_config())
    nestling.own_the_process()
    nestling.window.resize(*SMALLEST)
    nestling.window.show()
    found, texts = Found(), _texts_of_the_code(language)
    while nestling.state.memory is None or not nestling.data_work.statistics.all:
        application.processEvents(QEventLoop.ProcessEventsFlag.WaitForMoreEvents)
    for _ in range(2):
        nestling.queue.add(demo_config())
    nestling.new_run.form.advanced.toggle.setChecked(True)
    for place in Place:
        nestling.window.show_place(place)
        application.processEvents()
        _read(nestling.window, place.name, texts, found)
    nestling.new_run.form.advanced.toggle.setChecked(False)
    nestling.window.show_place(Place.DATA)
    _read_data(nestling, "data", texts, found)
    nestling.window.show_place(Place.RUNS)
    nestling.library_commands.open_run(run)
    while not nestling.runs.list.runs.rowCount() or nestling.runs.opened_run_dir is None:
        application.processEvents(QEventLoop.ProcessEventsFlag.WaitForMoreEvents)
    for number in range(nestling.runs.opened.parts.count()):
        nestling.runs.opened.show_part(number)
        application.processEvents()
        _read(nestling.window, f"run, view {number}", texts, found)
    nestling.runs.show_list()
    nestling.runs.list.table.select_rows([0])
    application.processEvents()
    _read(nestling.window, "a selected run", texts, found)
    runs = [nestling.runs.list.runs.at(row) for row in range(nestling.runs.list.runs.rowCount())]
    nestling.library_commands.compare(tuple(runs[:3]))
    while not nestling.runs.compared.isVisible():
        application.processEvents(QEventLoop.ProcessEventsFlag.WaitForMoreEvents)
    application.processEvents()
    _read(nestling.window, "compared runs", texts, found)
    nestling.runs.show_list()
    nestling.window.show_place(Place.PLAYGROUND)
    while nestling.playground.chooser.checkpoint.count() == 0:
        application.processEvents(QEventLoop.ProcessEventsFlag.WaitForMoreEvents)
    application.processEvents()
    _read(nestling.window, "a run to try", texts, found)
    nestling.settings_window.show()
    application.processEvents()
    _read(nestling.settings_window, "settings", texts, found)
    for folder in ended:
        nestling.library_commands.open_run(folder)
        while nestling.runs.opened_run_dir != folder:
            application.processEvents(QEventLoop.ProcessEventsFlag.WaitForMoreEvents)
        nestling.window.show_place(Place.RUNS)
        nestling.runs.opened.show_part(LOG_PART)
        application.processEvents()
        _read(nestling.window, f"{folder.name}, log", texts, found)
    for wrong in _wrong_files(home):
        nestling.window.notice.hide()
        nestling.opening.open_paths((wrong,))
        while nestling.state.is_inspecting or not nestling.window.notice.isVisible():
            application.processEvents(QEventLoop.ProcessEventsFlag.WaitForMoreEvents)
        _read(nestling.window, f"opened {wrong.name}", texts, found)
    rows = home / "beispiele.jsonl"
    rows.write_text("\n".join(json.dumps(row) for row in BAD_ROWS) + '\n{"text": "open}\n')
    nestling.opening.open_paths((rows,))
    while nestling.state.dataset is None or nestling.state.dataset.path != rows:
        application.processEvents(QEventLoop.ProcessEventsFlag.WaitForMoreEvents)
    _read_data(nestling, "bad rows", texts, found)
    nestling.window.show_place(Place.NEW_RUN)
    application.processEvents()
    _read(nestling.window, "bad rows, New Run", texts, found)
    nestling.shut_down()
    print(json.dumps(asdict(found)))


def _wrong_files(folder: Path) -> list[Path]:
    """Files and folders that the window refuses."""
    settings, model, table = folder / "run.toml", folder / "model", folder / "notes.pdf"
    settings.write_text('learning_rate = "x"\n')
    model.mkdir()
    (model / "config.json").write_text('{"model_type": "llama"}')
    table.write_text("%PDF")
    return [settings, model, table]


def _texts_of_the_code(language: str) -> set[str]:
    """English texts that the language words otherwise."""
    from tests.catalogs import read_catalog

    return {
        message.id
        for message in read_catalog(language)
        if isinstance(message.id, str) and message.id and message.id != message.string
    }


def _read_data(nestling: "Nestling", what: str, texts: set[str], found: Found) -> None:
    from PySide6.QtWidgets import QApplication

    for number in range(nestling.data.tabs.count()):
        nestling.data.tabs.setCurrentIndex(number)
        QApplication.processEvents()
        QApplication.sendPostedEvents()
        _read(nestling.window, f"{what}, view {number}", texts, found)


def _shown_texts(widget: "QWidget") -> list[str]:
    from PySide6.QtWidgets import QAbstractButton, QLabel, QPlainTextEdit, QTableView, QTextEdit

    if isinstance(widget, QLabel | QAbstractButton):
        return [widget.text()]
    if isinstance(widget, QPlainTextEdit | QTextEdit):
        return [line.partition("  ")[2] or line for line in widget.toPlainText().split("\n")]
    if isinstance(widget, QTableView) and (model := widget.model()) is not None:
        rows, columns = range(model.rowCount()), range(model.columnCount())
        return [str(model.index(row, at).data() or "") for row in rows for at in columns]
    return []


def _read(window: "QWidget", place: str, texts: set[str], found: Found) -> None:
    from PySide6.QtWidgets import QMainWindow, QWidget

    for widget in window.findChildren(QWidget):
        if not widget.isVisible():
            continue
        for text in filter(None, _shown_texts(widget)):
            found.texts.append(text)
            if text in texts or localized(text) != text:
                found.english.append(f"{place}: {text}")
    if not isinstance(window, QMainWindow):
        _measure(window, place, found)
        return
    for size in SIZES:
        _resize(window, size)
        _measure(window, f"{place}, {size[0]} px", found)
    _resize(window, SMALLEST)


def _resize(window: "QWidget", size: tuple[int, int]) -> None:
    """Until all of it is laid out anew: parts follow the size of others."""
    from PySide6.QtWidgets import QApplication, QWidget

    window.resize(*size)
    places: list[list[object]] = []
    while len(places) < 3 or not places[-1] == places[-2] == places[-3]:
        QApplication.processEvents()
        QApplication.sendPostedEvents()
        places.append([widget.geometry().getRect() for widget in window.findChildren(QWidget)])


def _measure(window: "QWidget", place: str, found: Found) -> None:
    from PySide6.QtWidgets import QAbstractButton, QComboBox, QScrollArea, QWidget

    for widget in window.findChildren(QWidget):
        if not widget.isVisible():
            continue
        found.elided += [f"{place}: {text}" for text in _elided(widget)]
        if (
            isinstance(widget, QAbstractButton)
            and widget.text()
            and widget.width() < widget.minimumSizeHint().width()
        ):
            short = widget.minimumSizeHint().width() - widget.width()
            found.cut_off.append(f"{place}: {widget.text()}, by {short} px")
        place_of = widget.parentWidget()
        if isinstance(widget, QComboBox) and not place_of.rect().contains(widget.geometry()):
            found.cut_off.append(f"{place}: {widget.currentText()}")
        if isinstance(widget, QScrollArea) and (inside := widget.widget()):
            room = widget.viewport().width()
            if inside.minimumSizeHint().width() > room:
                found.too_wide.append(f"{place}: {inside.minimumSizeHint().width()} in {room} px")


def _elided(widget: "QWidget") -> list[str]:
    """What of its words ends in an ellipsis."""
    from PySide6.QtCore import Qt
    from PySide6.QtWidgets import QComboBox, QStyle, QStyleOptionComboBox, QTableView

    from app.ui.look.plain_text import ElidedLabel
    from app.ui.plots.plot_card import Card

    if isinstance(widget, ElidedLabel):
        is_free = widget.side is Qt.TextElideMode.ElideMiddle or _is_of_columns(widget)
        card = widget.parentWidget()
        if isinstance(card, Card) and widget is card.subtitle and (card.legend or card.choice):
            is_free = is_free or not widget.shown_text()  # what is beside it takes the room
        return [widget.text()] if widget.shown_text() != widget.text() and not is_free else []
    if isinstance(widget, QComboBox):
        option = QStyleOptionComboBox()
        widget.initStyleOption(option)
        field_ = widget.style().subControlRect(
            QStyle.ComplexControl.CC_ComboBox, option, QStyle.SubControl.SC_ComboBoxEditField,
            widget,
        )  # fmt: skip
        needed = widget.fontMetrics().horizontalAdvance(widget.currentText())
        return [widget.currentText()] if needed > field_.width() else []
    return _elided_cells(widget) if isinstance(widget, QTableView) else []


def _is_of_columns(label: "QWidget") -> bool:
    """A column's own name and values."""
    from app.ui.data.columns_view import ColumnsView

    parent = label.parentWidget()
    while parent is not None and not isinstance(parent, ColumnsView):
        parent = parent.parentWidget()
    return parent is not None


def _elided_cells(table: "QTableView") -> list[str]:
    from PySide6.QtCore import Qt

    header, model = table.horizontalHeader(), table.model()
    narrow = []
    for column in range(model.columnCount()):
        width = header.sectionSize(column)
        if header.isSectionHidden(column):
            continue
        if header.sectionSizeHint(column) > width:
            narrow.append(str(model.headerData(column, Qt.Orientation.Horizontal)))
        for row in range(model.rowCount()):
            index = model.index(row, column)
            if not table.wordWrap() and table.sizeHintForIndex(index).width() > width:
                narrow.append(str(index.data()))
    return narrow


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
