"""Unavailable actions are disabled and say why; if called all the same, they fail in a sentence."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from pytestqt.qtbot import QtBot

from app.application import Nestling
from app.core.config.training_config import TierConfig, TrainingConfig
from app.core.files.paths import runs_dir
from app.ui.state.run_state import Phase
from app.ui.state.window_pages import Place
from app.ui.tables.runs_model import STATE_COLUMN
from tests.ui.page_windows import Library

MakeRun = Callable[..., Path]


@pytest.fixture
def opened(library: Library, qtbot: QtBot) -> Callable[[Path], Library]:
    """Show the Runs page with this run opened."""

    def show(run_dir: Path) -> Library:
        library.open_run(run_dir, qtbot)
        return library

    return show


@pytest.fixture
def opened_whole(build: Callable[..., Nestling], qtbot: QtBot) -> Callable[[Path], Nestling]:
    """The same in the whole window."""

    def show(run_dir: Path) -> Nestling:
        made = build()
        made.window.show()
        made.window.show_place(Place.RUNS)
        made.library_commands.open_run(run_dir)
        qtbot.waitUntil(lambda: made.runs.opened_run_dir == run_dir)
        qtbot.waitUntil(lambda: made.runs.list.runs.rowCount() > 0)
        return made

    return show


def test_a_finished_run_is_not_resumed_from_its_last_checkpoint(
    make_run: MakeRun, opened: Callable[[Path], Library]
) -> None:
    library = opened(make_run(runs_dir() / "a", saves=(4, 8)))
    view = library.runs.opened.checkpoints
    assert not view.resume.isEnabled()
    assert "all 8 steps are done" in view.resume.toolTip()
    assert "all 8 steps are done" in view.why_not.text()
    view.table.select_rows([1])
    assert view.resume.isEnabled()
    assert not view.resume.toolTip()
    assert not view.why_not.text()


def test_nothing_is_thinned_out_when_only_the_best_and_the_last_are_left(
    make_run: MakeRun, opened: Callable[[Path], Library]
) -> None:
    library = opened(make_run(runs_dir() / "a", saves=(4, 8)))
    thin_out = library.runs.opened.checkpoints.thin_out
    assert not thin_out.isEnabled()
    assert "Only the best and the last" in thin_out.toolTip()


def test_a_damaged_checkpoint_says_why_it_can_not_be_tried(
    make_run: MakeRun, opened: Callable[[Path], Library]
) -> None:
    run = make_run(runs_dir() / "a", saves=(4, 8))
    (run / "checkpoints" / "step-000008" / "adapters.safetensors").unlink()
    view = opened(run).runs.opened.checkpoints
    for control in (view.attempt, view.export, view.resume):
        assert not control.isEnabled()
        assert "adapters.safetensors is missing" in control.toolTip()
    assert view.delete.isEnabled()


def test_a_run_whose_last_checkpoint_is_damaged_resumes_from_an_earlier_one_only(
    make_run: MakeRun, opened: Callable[[Path], Library]
) -> None:
    run = make_run(runs_dir() / "a", outcome=None, saves=(4, 6))
    (run / "checkpoints" / "step-000006" / "adapters.safetensors").unlink()
    view = opened(run).runs.opened
    assert not view.head.resume.isEnabled()
    for text in (view.head.resume.toolTip(), view.head.subtitle.text()):
        assert "of step 6, is damaged: adapters.safetensors is missing." in text
        assert "You can resume from an earlier one." in text
    view.checkpoints.table.select_rows([1])
    assert view.checkpoints.resume.isEnabled()


def test_no_run_is_resumed_while_one_is_in_progress_and_any_can_be_planned(
    make_run: MakeRun, opened_whole: Callable[[Path], Nestling]
) -> None:
    nestling = opened_whole(make_run(runs_dir() / "a", outcome="stopped", saves=(4, 6)))
    view, runs = nestling.runs.opened, nestling.runs.list
    resuming = (view.head.resume, view.checkpoints.resume, runs.buttons.resume)
    planning = (view.head.more.continued, *view.head.more.repeats)
    assert all(control.isEnabled() for control in (*resuming, *planning))
    nestling.state.set_phase(Phase.RUNNING)
    for control in resuming:
        assert not control.isEnabled()
        assert "A run is in progress" in control.toolTip()
    assert all(action.isEnabled() for action in planning)
    nestling.state.set_phase(Phase.IDLE)
    assert all(control.isEnabled() for control in (*resuming, *planning))


def test_the_menu_offers_to_take_a_run_only_where_there_is_one(
    make_run: MakeRun, opened_whole: Callable[[Path], Nestling]
) -> None:
    nestling = opened_whole(make_run(runs_dir() / "a"))
    menus, window = nestling.menus, nestling.window
    menus.file.aboutToShow.emit()
    assert menus.reveal.isEnabled()
    assert menus.export.isEnabled()
    window.show_place(Place.NEW_RUN)
    menus.file.aboutToShow.emit()
    for action in (menus.reveal, menus.export):
        assert not action.isEnabled()
        assert "Select a run on the Runs page" in action.toolTip()
    menus.file.aboutToHide.emit()
    menus.export.trigger()  # by its shortcut
    assert "Select a run on the Runs page" in window.notice.text.text()


def test_a_waiting_run_that_is_prepared_keeps_its_place(
    library: Library, tiny_model: Path, chat_file: Path, qtbot: QtBot
) -> None:
    config = TrainingConfig(
        model=tiny_model, data=chat_file, steps=3, rank=2, tiers=(TierConfig(1),), name="first"
    )
    queue, page = library.services.queue, library.runs.list
    queue.add(config)
    queue.add(replace(config, name="second"))
    queue.start()
    states = [page.runs.data(page.runs.index(row, STATE_COLUMN)) for row in range(2)]
    assert states == ["Preparing…", "Waiting · 2 of 2"]
    page.table.select_rows([0])
    for control in (page.buttons.later, page.buttons.delete):
        assert not control.isEnabled()
        assert "being prepared" in control.toolTip()
    queue.remove({queue.runs[0].key})
    queue.move(queue.runs[0].key, 1)
    assert [run.config.name for run in queue.runs] == ["first", "second"]
    page.table.select_rows([1])
    assert page.buttons.delete.isEnabled()
    queue.hold()
    qtbot.waitUntil(lambda: library.services.state.phase is Phase.FINISHED)
    assert [run.config.name for run in queue.runs] == ["second"]
