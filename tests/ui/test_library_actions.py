"""Actions on a run in the library: open, rename, resume, repeat, delete, restore."""

import csv
import json
import os
import shutil
import sys
import threading
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
from PySide6.QtGui import QImage
from PySide6.QtWidgets import QFileDialog
from pytestqt.qtbot import QtBot

from app.application import Nestling
from app.core.config.serialization import load_toml, to_toml
from app.core.config.training_config import TierConfig, TrainingConfig
from app.core.errors import AppError
from app.core.events import EvaluationFinished, RunFinished
from app.core.files.paths import runs_dir
from app.library.reading.metrics_csv import export_csv
from app.library.reading.run_details import RunDetails, read_details
from app.library.run.label import RunLabel, read_label, write_label
from app.library.run.manifest import read_manifest
from app.library.run.metrics import HEADER_BYTES, MetricsWriter, read_steps
from app.library.run.recorder import RunRecorder
from app.library.run.run_lock import RunLock
from app.ui.plots.run_plots import RunPlots
from app.ui.run.run_actions import RunActions
from app.ui.state.plan_memory import RetentionDefault
from app.ui.state.run_loading import reading
from app.ui.state.run_state import Phase
from app.ui.state.window_pages import Place
from app.window_services import Services
from app.workers.tasks.trash import delete_runs, restore
from tests.conftest import write_chats
from tests.library.made_up import made_up_step, run_started, write_state
from tests.ui.page_windows import Library

MakeRun = Callable[..., Path]


@pytest.fixture(autouse=True)
def own_trash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    trash = tmp_path / "data"
    trash.mkdir()
    monkeypatch.setenv("XDG_DATA_HOME", str(trash))
    return trash


@pytest.fixture
def shown(library: Library, qtbot: QtBot) -> Callable[[], Library]:
    """List the runs on the Runs page."""

    def show() -> Library:
        library.commands.list_runs()
        qtbot.waitUntil(lambda: library.runs.list.runs.rowCount() > 0)
        return library

    return show


@pytest.fixture
def show_all(build: Callable[..., Nestling], qtbot: QtBot) -> Callable[[], Nestling]:
    """The whole window with the Runs page as a user comes to it; the runs are listed."""

    def show() -> Nestling:
        made = build()
        made.window.show()
        made.window.show_place(Place.RUNS)
        qtbot.waitUntil(lambda: made.runs.list.runs.rowCount() > 0)
        return made

    return show


def test_the_cause_of_a_failure_is_shown_whole(
    make_run: MakeRun, shown: Callable[[], Library], qtbot: QtBot
) -> None:
    run = make_run(runs_dir() / "a", outcome="failed")
    library = shown()
    library.open_run(run, qtbot)
    head = library.runs.opened.head
    assert head.problem.text() == "Done.", "what the run's end says"
    assert head.problem.isVisible()
    assert "Done." not in head.subtitle.text()


def test_the_state_stands_behind_the_name_as_soon_as_a_run_is_opened(
    make_run: MakeRun, shown: Callable[[], Library]
) -> None:
    made = make_run(runs_dir() / "b", name="a name that takes some room")
    library, run = shown(), reading(made)()
    assert run is not None
    library.runs.show_run(run, is_live=False)
    view = library.runs.opened
    assert view.head.pill.x() > view.head.name.geometry().right()


def opened(nestling: Nestling, run_dir: Path, qtbot: QtBot) -> None:
    nestling.library_commands.open_run(run_dir)
    qtbot.waitUntil(lambda: nestling.runs.opened_run_dir == run_dir)


def test_a_run_opens_with_its_plots_checkpoints_settings_and_log(
    make_run: MakeRun, shown: Callable[[], Library], qtbot: QtBot
) -> None:
    run = make_run(runs_dir() / "a", saves=(4, 8), learning_rate=3e-4)
    library = shown()
    library.open_run(run, qtbot)
    view = library.runs.opened
    assert view.plots is not None
    assert view.plots.series is not None
    assert view.plots.series.last_step == 8
    assert len(view.plots.series.validation) == 2
    model = view.checkpoints.model
    cells = [[model.data(model.index(row, column)) for column in (0, 1, 5)] for row in range(2)]
    assert cells == [["8", "2.000", "Last"], ["4", "1.000", "Best"]]
    assert model.data(model.index(0, 2)) == "0.0625 · 0.0625"
    assert "Step 8: checkpoint saved" in view.log.toPlainText()


def test_a_run_whose_manifest_is_damaged_still_shows_its_plots_and_checkpoints(
    make_run: MakeRun, shown: Callable[[], Library], qtbot: QtBot
) -> None:
    run = make_run(runs_dir() / "a")
    (run / "run.json").write_text("{")
    library = shown()
    library.open_run(run, qtbot)
    view = library.runs.opened
    assert "can't be read" in view.head.problem.text()
    assert view.plots is not None
    assert view.plots.series is not None
    assert view.plots.series.last_step == 8
    assert view.checkpoints.model.rowCount() == 1
    assert view.head.more.isEnabled()
    assert not any(
        action.isEnabled() for action in (*view.head.more.repeats, view.head.more.settings)
    )
    assert all(action.isEnabled() for action in view.head.more.measured)


def test_a_new_name_and_notes_are_kept_beside_the_manifest(
    make_run: MakeRun, shown: Callable[[], Library], qtbot: QtBot
) -> None:
    run = make_run(runs_dir() / "a")
    before = (run / "run.json").read_bytes()
    library = shown()
    library.open_run(run, qtbot)
    view = library.runs.opened
    view.head.name.setText("Kittens")
    view.notes.setPlainText("Better than the first.")
    view.head.back.click()
    qtbot.waitUntil(lambda: read_label(run).name == "Kittens")
    assert read_label(run).notes == "Better than the first."
    runs = library.runs.list
    qtbot.waitUntil(lambda: runs.selection.runs()[0].name == "Kittens")
    assert (run / "run.json").read_bytes() == before
    runs.header.search.setText("than first")
    assert runs.runs.rowCount() == 1
    runs.header.search.setText("dogs")
    assert runs.runs.rowCount() == 0


def test_notes_that_the_disk_refused_stay_and_are_kept_once_it_takes_them(
    make_run: MakeRun, shown: Callable[[], Library], qtbot: QtBot
) -> None:
    run = make_run(runs_dir() / "a")
    library = shown()
    library.open_run(run, qtbot)
    view, notice = library.runs.opened, library.window.notice
    in_the_way = run / f"label.json.{os.getpid()}.partial"
    in_the_way.mkdir()  # where the label is written aside
    view.notes.setPlainText("worth keeping")
    view.keep_label()
    qtbot.waitUntil(lambda: notice.isVisible())
    in_the_way.rmdir()
    library.commands.refresh()
    qtbot.waitUntil(lambda: not library.services.background.is_busy)
    assert view.notes.toPlainText() == "worth keeping"
    view.keep_label()
    qtbot.waitUntil(lambda: read_label(run).notes == "worth keeping")


def test_a_label_too_long_to_be_shown_is_not_cut_by_looking_at_it(
    make_run: MakeRun, shown: Callable[[], Library], qtbot: QtBot
) -> None:
    run = make_run(runs_dir() / "a")
    long = RunLabel("n" * 300, "line\r\n" * 9000)
    write_label(run, long)
    library = shown()
    library.open_run(run, qtbot)
    library.runs.opened.head.back.click()
    library.open_run(run, qtbot)
    assert read_label(run) == long
    library.runs.opened.head.name.setText("short")
    library.runs.opened.head.back.click()
    qtbot.waitUntil(lambda: read_label(run) == RunLabel("short", long.notes))


def test_a_run_without_a_name_keeps_the_one_it_had(
    make_run: MakeRun, shown: Callable[[], Library], qtbot: QtBot
) -> None:
    run = make_run(runs_dir() / "a")
    library = shown()
    library.open_run(run, qtbot)
    library.runs.opened.head.name.setText("  ")
    library.runs.opened.head.back.click()
    assert library.runs.opened.head.name.text() == "cats"


def test_runs_not_finished_and_runs_with_a_problem_can_be_picked_out(
    make_run: MakeRun, shown: Callable[[], Library]
) -> None:
    make_run(runs_dir() / "done")
    make_run(runs_dir() / "stopped", outcome="stopped")
    make_run(runs_dir() / "cut", outcome=None, saves=(4,))
    (runs_dir() / "foreign").mkdir()
    runs = shown().runs.list
    seen = {}
    for index in range(runs.header.state.count()):
        runs.header.state.setCurrentIndex(index)
        rows = range(runs.runs.rowCount())
        names = {runs.runs.at(row).run_dir.name for row in rows}
        seen[runs.header.state.itemText(index)] = names
    assert seen == {
        "All runs": {"done", "stopped", "cut", "foreign"},
        "Finished": {"done"},
        "Waiting": set(),
        "Not finished": {"stopped", "cut"},
        "With a problem": {"foreign"},
    }


def test_a_deleted_run_is_in_the_trash_and_undo_puts_it_back_whole(
    make_run: MakeRun, show_all: Callable[[], Nestling], qtbot: QtBot
) -> None:
    run = make_run(runs_dir() / "a")
    make_run(runs_dir() / "b")
    before = {p.relative_to(run): p.read_bytes() for p in run.rglob("*") if p.is_file()}
    nestling = show_all()
    runs = nestling.runs.list
    runs.selection.select(run)
    runs.buttons.delete.click()
    qtbot.waitUntil(lambda: runs.runs.rowCount() == 1)
    assert not run.exists()
    assert nestling.window.notice.text.text().startswith("Moved “")
    nestling.window.centralWidget().setFocus()
    nestling.menus.edits["undo"].trigger()
    qtbot.waitUntil(lambda: runs.runs.rowCount() == 2)
    assert {p.relative_to(run): p.read_bytes() for p in run.rglob("*") if p.is_file()} == before
    nestling.menus.edits["undo"].trigger()


@pytest.mark.skipif(sys.platform == "darwin", reason="macOS has one trash for all")
def test_an_undo_that_the_disk_refused_can_be_repeated(
    make_run: MakeRun, shown: Callable[[], Library], qtbot: QtBot
) -> None:
    for name in ("a", "b"):
        make_run(runs_dir() / name)
    library = shown()
    page, history = library.runs.list, library.services.undo
    page.selection.select(runs_dir() / "a", runs_dir() / "b")
    page.buttons.delete.click()
    qtbot.waitUntil(lambda: page.runs.rowCount() == 0)
    shutil.move(runs_dir(), away := runs_dir().with_name("away"))
    runs_dir().write_text("in the way of the library")
    history.undo()
    qtbot.waitUntil(lambda: library.window.notice.is_problem and bool(history.name))
    runs_dir().unlink()
    shutil.move(away, runs_dir())
    history.undo()
    qtbot.waitUntil(lambda: page.runs.rowCount() == 2)


def test_an_account_that_never_had_a_trash_gets_one(
    make_run: MakeRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "new" / "share"))
    run = make_run(runs_dir() / "r")
    deletion = delete_runs([run])
    assert not deletion.problem
    assert not run.exists()
    restore(deletion)
    assert (run / "run.json").is_file()


def test_a_run_in_progress_can_not_be_deleted(
    make_run: MakeRun, shown: Callable[[], Library], qtbot: QtBot
) -> None:
    run = make_run(runs_dir() / "a", outcome=None, saves=(4,))
    library = shown()
    claim = RunLock(run)  # begun elsewhere since the list was made
    library.runs.list.request_delete()
    qtbot.waitUntil(lambda: "in progress" in library.window.notice.text.text())
    assert run.is_dir()
    library.commands.list_runs()
    qtbot.waitUntil(lambda: not library.runs.list.buttons.delete.isEnabled())
    claim.release()


def test_only_the_best_and_the_last_checkpoint_stay_and_undo_brings_the_others_back(
    make_run: MakeRun, shown: Callable[[], Library], qtbot: QtBot
) -> None:
    run = make_run(runs_dir() / "a", saves=(2, 4, 6, 8))
    library = shown()
    library.open_run(run, qtbot)
    view = library.runs.opened.checkpoints
    view.thin_out.click()
    qtbot.waitUntil(lambda: view.model.rowCount() == 2)
    assert [view.model.at(row).step for row in range(2)] == [8, 6]
    view.table.select_rows([0])
    view.delete.click()
    qtbot.waitUntil(lambda: view.model.rowCount() == 1)
    assert read_manifest(run)["adapter"] == "checkpoints/step-000006"
    library.services.undo.undo()
    library.services.undo.undo()
    qtbot.waitUntil(lambda: view.model.rowCount() == 4)
    assert read_manifest(run)["adapter"] == "checkpoints/step-000008"
    assert read_manifest(run)["best_adapter"] == "checkpoints/step-000006"


def test_checkpoints_that_can_t_be_judged_are_not_thinned_out_and_the_reason_is_shown(
    make_run: MakeRun, shown: Callable[[], Library], qtbot: QtBot
) -> None:
    run = make_run(runs_dir() / "a", saves=(2, 4, 8))
    events = run / "events.jsonl"
    # The best, of 4, and that of 2 have lost their losses.
    edited = events.read_text().replace('"val_loss":1.0', '"val_loss":9.0')
    events.write_text(edited.replace('"step":2,"val_loss":2.0', '"step":2,"val_loss":3.0'))
    library = shown()
    library.open_run(run, qtbot)
    view = library.runs.opened.checkpoints
    assert not view.thin_out.isEnabled()
    message = "Lines 2 and 4 of events.jsonl were changed and are not used."
    assert f"The best checkpoint is uncertain. {message}" in view.thin_out.toolTip()
    assert library.runs.opened.head.problem.text() == message


def test_a_copy_of_a_checkpoint_is_shown_as_one_and_no_run_resumes_from_it(
    make_run: MakeRun, shown: Callable[[], Library], qtbot: QtBot
) -> None:
    run = make_run(runs_dir() / "a", saves=(2, 4), steps=4, outcome="stopped")
    copy = run / "checkpoints" / "step-000007"
    shutil.copytree(run / "checkpoints" / "step-000004", copy)
    write_state(copy, 4)
    library = shown()
    library.open_run(run, qtbot)
    view = library.runs.opened.checkpoints
    assert view.model.index(0, view.model.columnCount() - 1).data() == "A copy"
    view.table.select_rows([0])
    assert not view.resume.isEnabled()
    assert view.why_not.text() == "It is a copy of step 4."


def test_checkpoints_that_never_came_below_the_base_model_say_so(
    make_run: MakeRun, shown: Callable[[], Library], qtbot: QtBot
) -> None:
    run = make_run(runs_dir() / "a", saves=(4, 8))
    library = shown()
    library.open_run(run, qtbot)
    note = library.runs.opened.checkpoints.note
    assert note.isHidden()
    MetricsWriter(run).append(EvaluationFinished(0, 0.000124, is_best=True))
    library.commands.refresh()
    qtbot.waitUntil(lambda: "0.000124" in note.text())


def test_a_run_that_is_gone_when_it_is_opened_leads_back_to_the_list(
    make_run: MakeRun, shown: Callable[[], Library], qtbot: QtBot
) -> None:
    run = make_run(runs_dir() / "a")
    library = shown()
    library.open_run(run, qtbot)
    shutil.rmtree(run)
    library.commands.refresh()
    qtbot.waitUntil(lambda: library.runs.opened_run_dir is None)


def test_a_run_whose_folder_goes_while_it_is_open_makes_way_for_the_list(
    make_run: MakeRun, shown: Callable[[], Library], qtbot: QtBot
) -> None:
    run = make_run(runs_dir() / "a")
    make_run(runs_dir() / "b")
    library = shown()
    library.open_run(run, qtbot)
    shutil.rmtree(run)
    library.window.show_place(Place.NEW_RUN)
    library.window.show_place(Place.RUNS)
    qtbot.waitUntil(lambda: library.runs.opened_run_dir is None)
    assert library.window.notice.text.text() == f"The run's folder is no longer at {run}."
    qtbot.waitUntil(lambda: library.runs.list.runs.rowCount() == 1)


def test_a_run_that_was_open_when_the_window_closed_is_shown_again(
    make_run: MakeRun, show_all: Callable[[], Nestling], build: Callable[..., Nestling],
    qtbot: QtBot,
) -> None:  # fmt: skip
    run = make_run(runs_dir() / "a")
    make_run(runs_dir() / "b")
    first = show_all()
    opened(first, run, qtbot)
    first.window.close()
    first.shut_down()
    hasty = build()  # closed before it has seen the runs
    hasty.window.close()
    hasty.shut_down()
    again = build()
    again.window.show()
    qtbot.waitUntil(lambda: again.runs.opened_run_dir == run)
    again.runs.opened.head.back.click()
    again.library_commands.refresh()
    qtbot.waitUntil(lambda: not again.background.is_busy)
    assert again.runs.opened_run_dir is None
    again.window.close()
    again.shut_down()
    assert build().runs.list.selection.remembered_opened() is None


def test_an_interrupted_run_is_reported_once_at_start(
    make_run: MakeRun, show_all: Callable[[], Nestling], qtbot: QtBot
) -> None:
    make_run(runs_dir() / "a", outcome=None, steps=20, saves=(4, 8))
    first = show_all()
    qtbot.waitUntil(first.window.notice.isVisible)
    assert "You can resume from step 8." in first.window.notice.text.text()
    assert first.window.notice.action.text() == "Resume"
    first.shut_down()
    assert not show_all().window.notice.isVisible()


def test_a_stopped_run_resumes_to_its_end(
    library: Library, actions: RunActions, chat_file: Path, qtbot: QtBot
) -> None:
    state = library.services.state
    library.services.datasets.open(chat_file)
    qtbot.waitUntil(actions.start.isEnabled)
    state.change_config(steps=100_000, steps_per_eval=1000, steps_per_save=1000, rank=2)
    actions.start.trigger()
    qtbot.waitUntil(lambda: state.step is not None)
    actions.stop.trigger()
    qtbot.waitUntil(lambda: state.phase is Phase.FINISHED)
    assert state.finished is not None
    run_dir, done = state.finished.run_dir, state.finished.steps
    library.services.file_opener.use_starter_model()
    state.change_config(steps=7)
    qtbot.waitUntil(lambda: library.runs.list.buttons.resume.isEnabled())
    library.runs.list.buttons.resume.click()
    qtbot.waitUntil(lambda: state.phase is Phase.RUNNING)
    assert state.config.steps == 7, "the plan of the next run is another matter"
    assert state.evaluation is not None  # the last one before it was stopped
    qtbot.waitUntil(lambda: library.runs.opened_run_dir == run_dir)
    qtbot.waitUntil(lambda: state.step is not None)
    assert state.step is not None
    assert state.step.step > done
    plots = library.runs.opened.plots_place.plots
    assert plots is not None
    assert plots.series is not None
    assert (plots.series.first_step, len(plots.series.losses)) == (1, plots.series.last_step)
    actions.stop.trigger()
    qtbot.waitUntil(lambda: state.phase is Phase.FINISHED)
    steps = list(read_steps(run_dir).steps)
    assert steps == list(range(1, len(steps) + 1))
    assert len(steps) > done


def test_a_run_is_repeated_with_its_settings_and_as_plain_adamw(
    make_run: MakeRun, show_all: Callable[[], Nestling], chat_file: Path, qtbot: QtBot
) -> None:
    run = make_run(runs_dir() / "a", data=chat_file, learning_rate=3e-4, assign="rank")
    nestling = show_all()
    opened(nestling, run, qtbot)
    details = nestling.runs.opened.run
    assert details is not None
    nestling.runs.opened.head.more.repeat_requested.emit(details.details)
    config = nestling.state.config
    assert (config.learning_rate, config.assign) == (3e-4, "rank")
    assert config.tiers == (TierConfig(1), TierConfig(2))
    qtbot.waitUntil(nestling.actions.start.isEnabled)
    nestling.runs.opened.head.more.plain_repeat_requested.emit(details.details)
    plain = nestling.state.config
    assert plain.tiers == (TierConfig(1),)
    assert plain.name == "chats, plain AdamW"
    differing = {
        name for name in vars(TrainingConfig()) if getattr(plain, name) != getattr(config, name)
    }
    assert differing == {"tiers", "name", "assign"}


def test_a_run_is_continued_with_new_data_and_nothing_changes_until_they_are_read(
    make_run: MakeRun, show_all: Callable[[], Nestling], chat_file: Path, tmp_path: Path,
    qtbot: QtBot,
) -> None:  # fmt: skip
    run = make_run(runs_dir() / "a", data=chat_file, learning_rate=3e-4)
    nestling = show_all()
    with qtbot.waitSignal(nestling.datasets.opened):
        nestling.datasets.open(chat_file)
    opened(nestling, run, qtbot)
    before = nestling.state.config
    unfit = tmp_path / "notes.pdf"
    unfit.write_bytes(b"%PDF")
    with qtbot.waitSignal(nestling.datasets.refused):
        _continue_with(nestling, unfit)
    assert nestling.state.config == before
    nestling.window.show_place(Place.RUNS)
    _continue_with(nestling, None)
    assert nestling.state.config == before
    assert nestling.window.place is Place.RUNS
    new = tmp_path / "new.jsonl"
    write_chats(new, 4)
    with qtbot.waitSignal(nestling.datasets.opened):
        _continue_with(nestling, new)
    assert nestling.state.config.adapter == run / "checkpoints" / "step-000008"
    assert nestling.state.config.data == new
    start_from = nestling.new_run.start_from
    assert start_from.isVisible()
    assert start_from.name.text() == "chats, step 8"
    start_from.open.click()
    qtbot.waitUntil(lambda: nestling.window.place is Place.RUNS)
    qtbot.waitUntil(lambda: nestling.runs.opened_run_dir == run)
    nestling.library_commands.relabel(run, "Kittens", "")
    qtbot.waitUntil(lambda: start_from.name.text() == "Kittens, step 8")
    start_from.remove.click()
    assert nestling.state.config.adapter is None
    assert not start_from.isVisible()


def test_a_checkpoint_is_continued_with_new_data(
    make_run: MakeRun, show_all: Callable[[], Nestling], tmp_path: Path, qtbot: QtBot
) -> None:
    run = make_run(runs_dir() / "a", saves=(2, 4, 8))
    nestling = show_all()
    opened(nestling, run, qtbot)
    checkpoints = nestling.runs.opened.checkpoints
    rows = range(checkpoints.model.rowCount())
    checkpoints.table.select_rows([r for r in rows if checkpoints.model.at(r).step == 2])
    new = tmp_path / "new.jsonl"
    write_chats(new, 4)
    with qtbot.waitSignal(nestling.datasets.opened):
        _continue_with(nestling, new, checkpoints.continued.click)
    assert nestling.state.config.adapter == run / "checkpoints" / "step-000002"
    assert nestling.state.config.data == new


def _continue_with(
    nestling: Nestling, chosen: Path | None, ask: Callable[[], None] | None = None
) -> None:
    """In the file panel that is asked for; None cancels it."""
    (ask or nestling.runs.opened.head.more.continued.trigger)()
    dialog = next(one for one in nestling.window.findChildren(QFileDialog) if one.isVisible())
    if chosen is None:
        dialog.reject()
    else:
        dialog.setDirectory(str(chosen.parent))
        dialog.selectFile(chosen.name)
        dialog.accept()


def test_settings_numbers_and_plots_are_exported_to_files(
    make_run: MakeRun, shown: Callable[[], Library], tmp_path: Path, qtbot: QtBot
) -> None:
    run = make_run(runs_dir() / "a", steps=5, saves=(4, 5))
    library = shown()
    library.open_run(run, qtbot)
    view, exports = library.runs.opened, library.commands.exports
    assert view.run is not None
    assert view.plots is not None
    exports.save_settings(view.run.details, tmp_path / "a.toml")
    exports.save_data([run], tmp_path / "a.csv")
    exports.save_picture(view.plots, "a", tmp_path / "a.png")
    exports.save_picture(view.plots, "a", tmp_path / "a.svg")
    qtbot.waitUntil((tmp_path / "a.svg").is_file)
    assert load_toml(tmp_path / "a.toml") == view.run.details.config
    with (tmp_path / "a.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["step"] for row in rows] == ["1", "2", "3", "4", "5"]
    assert [row["validation_loss"] for row in rows] == ["", "", "", "1.0", "2.0"]
    assert [row["tier_1_fired"] for row in rows] == ["0", "1", "0", "1", "0"]
    assert (float(rows[1]["loss"]), rows[1]["tier_1_delta"]) == (2.0, "0.25")
    assert float(rows[1]["layer_3_delta"]) == pytest.approx(0.25, rel=0.05)
    picture = QImage(str(tmp_path / "a.png"))
    assert picture.width() == 2 * view.plots.width()
    assert "<svg" in (tmp_path / "a.svg").read_text()


def test_settings_that_are_not_understood_are_exported_as_they_stand(
    make_run: MakeRun, shown: Callable[[], Library], qtbot: QtBot, tmp_path: Path
) -> None:
    run_dir = make_run(runs_dir() / "r")
    manifest = json.loads((run_dir / "run.json").read_text())
    manifest["config"] |= {"dreams": {"depth": 3, "none": None}}
    (run_dir / "run.json").write_text(json.dumps(manifest))
    library = shown()
    library.open_run(run_dir, qtbot)
    view = library.runs.opened
    for repeat in view.head.more.repeats:
        assert not repeat.isEnabled()
        assert "dreams" in repeat.toolTip()
    assert view.head.more.menu().toolTipsVisible()
    assert view.head.more.settings.isEnabled()
    assert view.run is not None
    path = tmp_path / "raw.toml"
    library.commands.exports.save_settings(view.run.details, path)
    qtbot.waitUntil(path.exists)
    exported = tomllib.loads(path.read_text())
    assert exported["dreams"] == {"depth": 3}
    assert exported["steps"] == 8
    assert path.read_text().startswith("# Nestling does not understand these settings: ")


def test_a_run_without_measurements_has_none_to_export_and_says_so(
    make_run: MakeRun, shown: Callable[[], Library], qtbot: QtBot
) -> None:
    run_dir = make_run(runs_dir() / "r")
    (run_dir / "metrics.bin").unlink()
    library = shown()
    library.open_run(run_dir, qtbot)
    repeat = library.runs.opened.head.more
    assert all(action.isEnabled() for action in (*repeat.repeats, repeat.settings))
    for export in repeat.measured:
        assert not export.isEnabled()
        assert "Nothing was measured" in export.toolTip()


def test_tables_are_numbered_named_after_their_runs_and_replace_no_file(
    make_run: MakeRun, shown: Callable[[], Library], tmp_path: Path, qtbot: QtBot
) -> None:
    runs = [make_run(runs_dir() / "a", steps=5), make_run(runs_dir() / "b", steps=3, name="b/c")]
    (tmp_path / "runs 1 cats.csv").write_text("mine")
    library = shown()
    library.commands.exports.save_data(runs, tmp_path / "runs.csv")
    notice_text = library.window.notice.text
    qtbot.waitUntil(lambda: notice_text.text().startswith(f"Exported 2 tables to {tmp_path}."))
    assert (tmp_path / "runs 1 cats.csv").read_text() == "mine"
    names = ("runs 1 cats-2.csv", "runs 2 b-c.csv")
    assert [len((tmp_path / name).read_text().splitlines()) for name in names] == [6, 4]


def test_tables_of_which_one_fails_are_not_reported_as_exported(
    make_run: MakeRun, shown: Callable[[], Library], tmp_path: Path, qtbot: QtBot,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    runs = [make_run(runs_dir() / "a"), make_run(runs_dir() / "b")]

    def export(details: RunDetails, path: Path) -> Path:
        if details.summary.run_dir == runs[0]:
            raise AppError("The disk is full.")
        return export_csv(details, path)

    monkeypatch.setattr("app.workers.tasks.library.export_csv", export)
    library = shown()
    library.commands.exports.save_data(runs, tmp_path / "runs.csv")
    qtbot.waitUntil(lambda: not library.services.background.is_busy)
    assert library.window.notice.text.text() == "The disk is full."


def test_a_table_of_a_run_that_is_gone_is_not_reported_as_exported(
    make_run: MakeRun, shown: Callable[[], Library], tmp_path: Path, qtbot: QtBot
) -> None:
    run, library = make_run(runs_dir() / "a"), shown()
    run.rename(tmp_path / "moved")
    library.commands.exports.save_data([run], tmp_path / "run.csv")
    qtbot.waitUntil(lambda: not library.services.background.is_busy)
    assert library.window.notice.text.text() == f"{run} has no run.json, so it is not a run."
    assert not (tmp_path / "run.csv").exists()


def test_the_base_model_s_validation_loss_is_the_first_row_of_a_table(
    make_run: MakeRun, tmp_path: Path
) -> None:
    run = make_run(runs_dir() / "a", steps=2)
    MetricsWriter(run).append(EvaluationFinished(0, 3.5, is_best=True))
    export_csv(read_details(run), tmp_path / "a.csv")
    with (tmp_path / "a.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["step"], row["validation_loss"]) for row in rows][:2] == [("0", "3.5"), ("1", "")]
    assert rows[0]["loss"] == rows[0]["tier_0_delta"] == rows[0]["layer_3_delta"] == ""


def test_a_file_that_can_not_be_written_is_reported(
    make_run: MakeRun, shown: Callable[[], Library], tmp_path: Path, qtbot: QtBot
) -> None:
    run = make_run(runs_dir() / "a")
    library = shown()
    library.open_run(run, qtbot)
    assert library.runs.opened.run is not None
    library.commands.exports.save_settings(
        library.runs.opened.run.details, tmp_path / "none" / "a.toml"
    )
    qtbot.waitUntil(lambda: "could not be written" in library.window.notice.text.text())


def test_a_file_of_settings_is_opened_like_a_dataset(
    nestling: Nestling, chat_file: Path, tmp_path: Path, qtbot: QtBot
) -> None:
    wanted = TrainingConfig(model=nestling.state.config.model, data=chat_file, steps=17, rank=3)
    (tmp_path / "a.toml").write_text(to_toml(wanted))
    nestling.commands.open_path(tmp_path / "a.toml")
    qtbot.waitUntil(nestling.actions.start.isEnabled)
    assert nestling.state.config == wanted
    (tmp_path / "b.toml").write_text("steps = 'many'")
    nestling.commands.open_path(tmp_path / "b.toml")
    qtbot.waitUntil(lambda: "steps can't be 'many'" in nestling.window.notice.text.text())
    assert nestling.state.config == wanted


def test_best_and_last_only_can_become_the_default(services: Services) -> None:
    assert services.state.config.keep_checkpoints == "all"
    RetentionDefault(services.state, services.settings).action.trigger()
    assert services.state.config.keep_checkpoints == "best-and-last"
    services.shut_down()
    again = Services()
    again.shut_down()
    assert again.state.config.keep_checkpoints == "best-and-last"


def test_notes_being_written_when_the_window_closes_are_kept(
    make_run: MakeRun, show_all: Callable[[], Nestling], qtbot: QtBot
) -> None:
    run = make_run(runs_dir() / "a")
    nestling = show_all()
    opened(nestling, run, qtbot)
    nestling.runs.opened.notes.setPlainText("Not yet saved")
    nestling.window.close()
    nestling.shut_down()
    assert read_label(run).notes == "Not yet saved"


def test_runs_are_read_and_written_beside_the_window_s_thread(
    make_run: MakeRun, show_all: Callable[[], Nestling], tmp_path: Path, qtbot: QtBot
) -> None:
    here, touched = threading.get_ident(), []
    is_watching = True

    def watch(event: str, arguments: tuple[object, ...]) -> None:
        if is_watching and event in ("open", "os.scandir", "os.listdir", "os.rename", "os.mkdir"):
            path = str(arguments[0])
            if path.startswith(str(tmp_path)) and threading.get_ident() == here:
                touched.append((event, path))

    runs = [make_run(runs_dir() / name, saves=(2, 4, 6, 8)) for name in ("a", "b")]
    sys.addaudithook(watch)
    nestling = show_all()
    opened(nestling, runs[0], qtbot)
    view = nestling.runs.opened
    view.checkpoints.thin_out.click()
    qtbot.waitUntil(lambda: view.checkpoints.model.rowCount() == 2)
    nestling.queue.add(TrainingConfig(name="waits"))
    nestling.library_commands.exports.save_data([runs[1]], tmp_path / "b.csv")
    nestling.export.export_into(tmp_path, runs[1] / "checkpoints" / "step-000008", "b")
    qtbot.waitUntil(lambda: "b-adapter" in nestling.window.notice.text.text())
    view.head.name.setText("Kittens")
    view.head.back.click()
    page = nestling.runs
    qtbot.waitUntil(lambda: "Kittens" in [run.name for run in page.list.runs.all_runs])
    page.list.table.selectAll()
    page.list.buttons.compare.click()
    qtbot.waitUntil(lambda: page.views.currentWidget() is page.compared)
    page.show_list()
    page.list.buttons.delete.click()
    qtbot.waitUntil(lambda: not page.list.runs.all_runs)
    nestling.undo.undo()
    qtbot.waitUntil(lambda: len(page.list.runs.all_runs) == 2)
    is_watching = False
    assert touched == []


def test_the_run_in_progress_is_opened_as_ours(
    nestling: Nestling, chat_file: Path, qtbot: QtBot
) -> None:
    nestling.commands.open_path(chat_file)
    qtbot.waitUntil(nestling.actions.start.isEnabled)
    nestling.state.change_config(steps=100_000, steps_per_eval=1000, steps_per_save=1000, rank=2)
    nestling.actions.start.trigger()
    qtbot.waitUntil(lambda: nestling.state.step is not None)
    assert nestling.state.started is not None
    nestling.window.show_place(Place.RUNS)
    opened(nestling, nestling.state.started.run_dir, qtbot)
    view = nestling.runs.opened
    assert view.head.pill.text() == "Running"
    assert not view.head.more.delete.isEnabled()
    assert not view.checkpoints.thin_out.isEnabled()
    plots = view.plots
    assert plots is not None
    assert plots.series is nestling.live_series.series
    plots.parts.live_choice.group.button(0).click()
    assert plots.parts.steps.follows_latest
    seen = drawn_losses(plots)
    qtbot.waitUntil(lambda: drawn_losses(plots) > seen + 5)
    qtbot.waitUntil(lambda: view.progress.status.text().startswith("Training…"))
    nestling.actions.pause.trigger()
    assert view.head.pill.text() == "Pausing…"
    qtbot.waitUntil(lambda: view.head.pill.text() == "Paused")
    nestling.actions.stop.trigger()
    qtbot.waitUntil(lambda: nestling.state.phase is Phase.FINISHED)
    qtbot.waitUntil(lambda: view.head.pill.text() == "Stopped")
    assert plots.series is not nestling.live_series.series
    assert plots.series is not None
    assert plots.series.last_step == nestling.state.step.step  # type: ignore[union-attr]
    assert not plots.parts.steps.follows_latest
    assert view.checkpoints.model.rowCount() == 1


def drawn_losses(plots: RunPlots) -> int:
    steps = plots.loss.smooth.getData()[0]
    return 0 if steps is None else len(steps)


def test_a_run_that_another_program_trains_is_followed_while_it_is_seen(
    make_run: MakeRun, shown: Callable[[], Library], qtbot: QtBot
) -> None:
    run = make_run(runs_dir() / "a", outcome=None)
    recorder = RunRecorder.reopen(run, HEADER_BYTES, None)
    library = shown()
    try:
        library.open_run(run, qtbot)
        view = library.runs.opened
        assert view.head.pill.text() == "Running elsewhere"
        view.notes.setPlainText("not yet kept")
        recorder.record(run_started(run, 41))
        for number in range(1, 41):
            recorder.record(made_up_step(number))
        recorder.log("a line")
        qtbot.waitUntil(lambda: last_step(library) == 40)
        qtbot.waitUntil(lambda: "a line" in view.log.toPlainText())
        assert view.notes.toPlainText() == "not yet kept"
        view.plots_place.plots.deltas.steps_selected.emit(10.0, 20.0)  # type: ignore[union-attr]
        recorder.record(made_up_step(41))
        qtbot.waitUntil(lambda: last_step(library) == 41)
        assert view.plots is not None
        assert view.plots.loss.steps.selection == (10.0, 20.0)
        recorder.record(RunFinished("stopped", run, None, 41, "Stopped after step 41."))
    finally:
        recorder.close()
    qtbot.waitUntil(lambda: view.head.pill.text() == "Stopped")
    assert "Stopped after step 41" in view.result.effort.text()


def last_step(library: Library) -> int:
    plots = library.runs.opened.plots
    return plots.series.last_step if plots is not None and plots.series is not None else 0
