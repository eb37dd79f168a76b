"""What is opened from Finder or dropped on the Dock icon arrives, also before there is a window."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from PySide6.QtCore import QCoreApplication, QEvent
from PySide6.QtGui import QFileOpenEvent
from pytestqt.qtbot import QtBot

from app.application import Nestling
from app.core.files.paths import runs_dir
from app.library.run.layout import ADAPTER_FILES, NEEDED_FILES
from app.ui.state.window_pages import Place
from app.ui.system.qt_application import NestlingApplication


@pytest.fixture
def qapp_as_started(qapp: NestlingApplication) -> NestlingApplication:
    """As a program's application is before its window is seen."""
    qapp._waiting, qapp._is_window_there = [], False
    return qapp


def open_from_finder(application: NestlingApplication, *paths: Path) -> None:
    for path in paths:
        assert QCoreApplication.sendEvent(application, QFileOpenEvent(str(path)))


def wire(application: NestlingApplication, nestling: Nestling) -> None:
    application.paths_opened.connect(nestling.opening.open_paths)


def test_a_dataset_opened_before_the_window_is_seen_waits_for_it(
    qapp_as_started: NestlingApplication, build: Callable[[], Nestling], chat_file: Path,
    qtbot: QtBot,
) -> None:  # fmt: skip
    open_from_finder(qapp_as_started, chat_file)
    nestling = build()
    wire(qapp_as_started, nestling)
    nestling.window.first_painted.connect(qapp_as_started.hand_over)
    assert nestling.state.config.data is None
    nestling.window.show()
    qtbot.waitUntil(lambda: nestling.state.config.data == chat_file)


def test_files_opened_together_come_together(
    qapp_as_started: NestlingApplication, tmp_path: Path, qtbot: QtBot
) -> None:
    paths = (tmp_path / "a.jsonl", tmp_path / "b.csv")
    qapp_as_started.hand_over()
    with qtbot.waitSignal(qapp_as_started.paths_opened) as waiting:
        open_from_finder(qapp_as_started, *paths)
    assert waiting.args == [paths]
    with qtbot.waitSignal(qapp_as_started.paths_opened) as waiting:
        open_from_finder(qapp_as_started, paths[1])
    assert waiting.args == [(paths[1],)]


def test_an_event_without_a_file_is_not_taken(qapp_as_started: NestlingApplication) -> None:
    QCoreApplication.sendEvent(qapp_as_started, QFileOpenEvent(""))
    QCoreApplication.sendEvent(qapp_as_started, QEvent(QEvent.Type.User))
    assert qapp_as_started._waiting == []


def test_a_model_and_settings_reach_the_train_page(
    qapp_as_started: NestlingApplication, nestling: Nestling, tiny_model: Path, tmp_path: Path,
    qtbot: QtBot,
) -> None:  # fmt: skip
    """The model by its folder, or by any file in it."""
    wire(qapp_as_started, nestling)
    qapp_as_started.hand_over()
    for name in ("", "config.json", "tokenizer.json", "model.safetensors"):
        model = tmp_path / f"model with {name}"
        shutil.copytree(tiny_model, model)
        nestling.window.show_place(Place.DATA)
        open_from_finder(qapp_as_started, model / name)
        qtbot.waitUntil(lambda model=model: nestling.state.config.model == model)
        assert nestling.window.place is Place.NEW_RUN
    nestling.window.show_place(Place.DATA)
    settings = tmp_path / "run.toml"
    settings.write_text("steps = 77\n")
    open_from_finder(qapp_as_started, settings)
    qtbot.waitUntil(lambda: nestling.state.config.steps == 77)
    assert nestling.window.place is Place.NEW_RUN


def test_a_run_opens_in_the_library(
    qapp_as_started: NestlingApplication, nestling: Nestling, make_run: Callable[..., Path],
    qtbot: QtBot,
) -> None:  # fmt: skip
    wire(qapp_as_started, nestling)
    qapp_as_started.hand_over()
    for folder, name in (("one", ""), ("two", "run.json")):
        run_dir = make_run(runs_dir() / folder)
        nestling.window.show_place(Place.NEW_RUN)
        open_from_finder(qapp_as_started, run_dir / name)
        qtbot.waitUntil(lambda run_dir=run_dir: nestling.runs.opened_run_dir == run_dir)
        assert nestling.window.place is Place.RUNS


def test_a_checkpoint_opens_on_the_try_page(
    qapp_as_started: NestlingApplication, nestling: Nestling, make_run: Callable[..., Path],
    qtbot: QtBot,
) -> None:  # fmt: skip
    wire(qapp_as_started, nestling)
    qapp_as_started.hand_over()
    chooser = nestling.playground.chooser
    for name in ("", *NEEDED_FILES):
        run_dir = make_run(runs_dir() / f"run of {name}", saves=(2, 4, 8))
        checkpoint = run_dir / "checkpoints" / "step-000002"
        nestling.window.show_place(Place.NEW_RUN)
        open_from_finder(qapp_as_started, checkpoint / name)
        qtbot.waitUntil(lambda checkpoint=checkpoint: chooser.folder == checkpoint)
        assert nestling.window.place is Place.PLAYGROUND


def test_an_adapter_outside_any_run_goes_into_the_plan(
    qapp_as_started: NestlingApplication, nestling: Nestling, tmp_path: Path, qtbot: QtBot
) -> None:
    """By either of its files."""
    wire(qapp_as_started, nestling)
    qapp_as_started.hand_over()
    for name in ADAPTER_FILES:
        folder = tmp_path / f"adapter opened by {name}"
        folder.mkdir()
        for file in ADAPTER_FILES:
            (folder / file).write_text("")
        nestling.window.show_place(Place.DATA)
        open_from_finder(qapp_as_started, folder / name)
        qtbot.waitUntil(lambda folder=folder: nestling.state.config.adapter == folder)
        assert nestling.window.place is Place.NEW_RUN
        notice = nestling.window.notice.text.text()
        assert f"continues from the adapter “{folder.name}”" in notice
        assert nestling.new_run.start_from.name.text() == folder.name


def test_an_adapter_without_its_settings_is_named(
    qapp_as_started: NestlingApplication, nestling: Nestling, tmp_path: Path, qtbot: QtBot
) -> None:
    (tmp_path / "adapters.safetensors").write_text("")
    wire(qapp_as_started, nestling)
    qapp_as_started.hand_over()
    open_from_finder(qapp_as_started, tmp_path)
    qtbot.waitUntil(lambda: nestling.window.notice.isVisible())
    assert "adapter_config.json is missing" in nestling.window.notice.text.text()
    assert nestling.state.config.adapter is None
