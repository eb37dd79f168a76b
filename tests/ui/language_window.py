"""`python -m tests.ui.language_window LANGUAGE HOME`: reads the texts of all pages, as JSON."""

import json
import os
import sys
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from app.core.files.paths import HOME_VARIABLE, resources_dir, runs_dir
from app.core.text.translation import use_language

if TYPE_CHECKING:
    from PySide6.QtWidgets import QWidget

SMALLEST = (820, 560)


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

    run = write_run(runs_dir() / "a", saves=(4, 8))
    application = make_application(["nestling"])
    translate_qt(application)
    nestling = Nestling(application, demo_config())
    nestling.own_the_process()
    nestling.window.resize(*SMALLEST)
    nestling.window.show()
    found, texts = Found(), _texts_of_the_code(language)
    while nestling.state.memory is None or not nestling.data_work.statistics.all:
        application.processEvents(QEventLoop.ProcessEventsFlag.WaitForMoreEvents)
    for place in Place:
        nestling.window.show_place(place)
        application.processEvents()
        _read(nestling.window, place.name, texts, found)
    nestling.window.show_place(Place.RUNS)
    nestling.library_commands.open_run(run)
    while not nestling.runs.list.runs.rowCount() or nestling.runs.opened_run_dir is None:
        application.processEvents(QEventLoop.ProcessEventsFlag.WaitForMoreEvents)
    for number in range(nestling.runs.opened.parts.count()):
        nestling.runs.opened.show_part(number)
        application.processEvents()
        _read(nestling.window, f"run, view {number}", texts, found)
    nestling.runs.show_list()
    nestling.runs.list.table.selectRow(0)
    application.processEvents()
    _read(nestling.window, "a selected run", texts, found)
    nestling.window.show_place(Place.PLAYGROUND)
    while nestling.playground.chooser.checkpoint.count() == 0:
        application.processEvents(QEventLoop.ProcessEventsFlag.WaitForMoreEvents)
    application.processEvents()
    _read(nestling.window, "a run to try", texts, found)
    nestling.settings_window.show()
    application.processEvents()
    _read(nestling.settings_window, "settings", texts, found)
    nestling.shut_down()
    print(json.dumps(asdict(found)))


def _texts_of_the_code(language: str) -> set[str]:
    """English texts that the language words otherwise."""
    from tests.catalogs import read_catalog

    return {
        message.id
        for message in read_catalog(language)
        if isinstance(message.id, str) and message.id and message.id != message.string
    }


def _read(window: "QWidget", place: str, texts: set[str], found: Found) -> None:
    from PySide6.QtWidgets import QAbstractButton, QComboBox, QLabel, QScrollArea, QWidget

    for widget in window.findChildren(QWidget):
        if not widget.isVisible():
            continue
        if isinstance(widget, QLabel | QAbstractButton) and (text := widget.text()):
            found.texts.append(text)
            if text in texts:
                found.english.append(f"{place}: {text}")
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


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
