"""The queue: runs wait, are put in order, start by themselves, and wait on after quitting."""

import json
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from PySide6.QtCore import QPointF, Qt
from PySide6.QtGui import QDragEnterEvent, QDragMoveEvent, QDropEvent
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from app.application import Nestling
from app.core.config.training_config import TierConfig, TrainingConfig
from app.core.errors import InputError
from app.core.events import Event, StepFinished
from app.core.files.paths import home_dir, runs_dir
from app.library.queue_store import QUEUE_FILE, SavedQueue, queued_run, read_queue, write_queue
from app.library.reading.run_store import list_runs
from app.library.run.recorder import RunRecorder
from app.ui.run.run_actions import RunActions
from app.ui.runs.runs_view import RunsView
from app.ui.runs.trash_actions import TrashActions
from app.ui.state.run_queue import RunQueue
from app.ui.state.run_state import Phase
from app.ui.state.undo import UndoHistory
from app.ui.state.window_pages import Place
from app.ui.tables.runs_model import BATCH_COLUMN, RATE_COLUMN
from app.ui.widgets.notice_bar import Notice
from app.window_services import Services
from app.workers.background_job import Job
from app.workers.background_thread import BackgroundThread
from tests.patience import PATIENCE_SECONDS
from tests.ui.page_windows import Library
from tests.ui.run_summaries import summary


@pytest.fixture
def config(tiny_model: Path, chat_file: Path) -> TrainingConfig:
    return TrainingConfig(
        model=tiny_model, data=chat_file, steps=3, rank=2, tiers=(TierConfig(1),), name="first"
    )


@pytest.fixture
def page(
    queue: RunQueue, runs_view: RunsView, config: TrainingConfig, undo: UndoHistory
) -> RunsView:
    """Three runs wait, below one that is finished."""
    for name in ("a", "b", "c"):
        queue.add(replace(config, name=name))
    runs_view.show_runs([summary("done")])
    runs_view.delete_requested.connect(deleting(runs_view, undo).delete_runs)
    return runs_view


@pytest.fixture
def undo() -> UndoHistory:
    return UndoHistory()


def deleting(view: RunsView, undo: UndoHistory) -> TrashActions:
    return TrashActions(BackgroundThread(view), Notice(view), undo, view.queue, view)


def names(queue: RunQueue) -> list[str]:
    return [run.config.name for run in queue.runs]


def rows(page: RunsView) -> list[str]:
    return [page.runs.at(row).name for row in range(page.runs.rowCount())]


def test_runs_are_put_in_order_and_removed_with_undo(
    page: RunsView, queue: RunQueue, undo: UndoHistory
) -> None:
    page.table.select_rows([2])
    page.buttons.earlier.click()
    assert names(queue) == ["a", "c", "b"]
    page.buttons.earlier.click()
    page.buttons.earlier.click()
    assert names(queue) == ["c", "a", "b"]
    assert not page.buttons.earlier.isEnabled()
    page.buttons.later.click()
    assert rows(page) == ["a", "c", "b", "done"]
    assert page.buttons.delete.text() == "Remove"
    page.buttons.delete.click()
    assert names(queue) == ["a", "b"]
    assert undo.name == "Remove from Queue"
    undo.undo()
    assert names(queue) == ["a", "c", "b"]


def test_waiting_runs_stay_on_top_in_any_order(page: RunsView) -> None:
    for order in (Qt.SortOrder.AscendingOrder, Qt.SortOrder.DescendingOrder):
        page.table.sortByColumn(0, order)
        assert rows(page) == ["a", "b", "c", "done"]
    page.header.search.setText("do")
    assert rows(page) == ["done"]


def test_waiting_runs_show_their_settings(
    page: RunsView, queue: RunQueue, config: TrainingConfig
) -> None:
    queue.add(replace(config, learning_rate=3e-4, batch_size=2))
    cells = [page.runs.data(page.runs.index(3, c)) for c in (RATE_COLUMN, BATCH_COLUMN)]
    assert cells == ["0.0003", "2"]


def test_rows_are_moved_and_removed_by_keys(page: RunsView, queue: RunQueue, qtbot: QtBot) -> None:
    page.show()
    table = page.table
    page.activateWindow()
    table.setFocus()
    qtbot.waitUntil(table.hasFocus)
    table.select_rows([2])
    qtbot.keyClick(table, Qt.Key.Key_Up, Qt.KeyboardModifier.ControlModifier)
    assert names(queue) == ["a", "c", "b"]
    qtbot.keyClick(table, Qt.Key.Key_Up, Qt.KeyboardModifier.ControlModifier)
    qtbot.keyClick(table, Qt.Key.Key_Up, Qt.KeyboardModifier.ControlModifier)
    assert names(queue) == ["c", "a", "b"]
    qtbot.keyClick(table, Qt.Key.Key_Down, Qt.KeyboardModifier.ControlModifier)
    assert names(queue) == ["a", "c", "b"]
    qtbot.keyClick(table, Qt.Key.Key_Backspace, Qt.KeyboardModifier.ControlModifier)
    assert names(queue) == ["a", "b"]


def dragged(page: RunsView, start: int, y: float) -> None:
    """Drop a row where the pointer is `y` rows from the top."""
    table, model = page.table, page.runs
    data = model.mimeData([model.index(start, 0)])
    place = QPointF(40, y * table.rowHeight(0))
    how = (Qt.DropAction.MoveAction, data, Qt.MouseButton.LeftButton)
    none = Qt.KeyboardModifier.NoModifier
    QApplication.sendEvent(table.viewport(), QDragEnterEvent(place.toPoint(), *how, none))
    QApplication.sendEvent(table.viewport(), QDragMoveEvent(place.toPoint(), *how, none))
    QApplication.sendEvent(table.viewport(), QDropEvent(place, *how, none))


def test_rows_are_moved_by_dragging(
    page: RunsView, queue: RunQueue, config: TrainingConfig
) -> None:
    queue.add(replace(config, name="d"))
    page.resize(900, 500)
    page.show()
    page.grab()
    dragged(page, 3, 1.02)
    assert names(queue) == ["a", "d", "b", "c"]
    dragged(page, 0, 3.02)
    assert names(queue) == ["d", "b", "a", "c"]
    dragged(page, 0, 9)  # below the last one
    assert names(queue) == ["b", "a", "c", "d"]
    dragged(page, 4, 1.02)  # one that is finished
    assert names(queue) == ["b", "a", "c", "d"]


def test_a_waiting_run_that_is_opened_is_changed_in_its_place(
    nestling: Nestling, config: TrainingConfig, qtbot: QtBot
) -> None:
    for name in ("a", "b"):
        nestling.queue.add(replace(config, name=name))
    page = nestling.runs.list
    page.table.select_rows([0])
    page.buttons.open.click()
    assert nestling.window.place is Place.NEW_RUN
    qtbot.waitUntil(nestling.actions.queue.isEnabled)
    assert nestling.actions.queue.text() == "Update in Queue"
    nestling.state.change_config(steps=9)
    nestling.actions.queue.trigger()
    assert [(run.config.name, run.config.steps) for run in nestling.queue.runs] == [
        ("a", 9), ("b", 3),
    ]  # fmt: skip
    assert nestling.actions.queue.text() == "Add to Queue"


def test_a_file_dropped_on_the_queue_is_opened_as_anywhere(
    nestling: Nestling, config: TrainingConfig, chat_file: Path, drop: Callable[..., bool],
    qtbot: QtBot,
) -> None:  # fmt: skip
    nestling.queue.add(config)
    nestling.window.show_place(Place.RUNS)
    assert drop(nestling.runs.list.table.viewport(), chat_file)
    qtbot.waitUntil(lambda: nestling.state.config.data == chat_file)
    assert names(nestling.queue) == ["first"]


def test_a_queue_survives_quitting_and_starts_only_on_request(
    build: Callable[..., Nestling], config: TrainingConfig, qtbot: QtBot
) -> None:
    first = build()
    first.queue.add(config)
    first.queue.add(replace(config, name="second"))
    first.queue.move(first.queue.runs[0].key, 1)
    first.shut_down()
    again = build()
    again.window.show()
    qtbot.waitUntil(lambda: names(again.queue) == ["second", "first"])
    assert again.queue.runs[1].config == config
    assert not again.queue.is_going
    assert not again.state.phase.is_active


def test_runs_follow_each_other_to_the_end_of_the_queue(
    library: Library, config: TrainingConfig, qtbot: QtBot
) -> None:
    library.services.queue.add(config)
    library.services.queue.add(replace(config, name="second", steps=4))
    library.runs.list.header.start.click()
    qtbot.waitUntil(lambda: not library.services.queue.is_going)
    assert library.services.queue.runs == []
    done = sorted((run.name, run.steps, run.outcome) for run in list_runs(runs_dir()))
    assert done == [("first", 3, "finished"), ("second", 4, "finished")]
    qtbot.waitUntil(lambda: list(read_queue(home_dir() / QUEUE_FILE).runs) == [])


def test_a_run_that_can_not_begin_stays_with_the_reason_and_the_next_one_starts(
    library: Library, config: TrainingConfig, tmp_path: Path, qtbot: QtBot
) -> None:
    library.services.queue.add(replace(config, name="broken", data=tmp_path / "gone.jsonl"))
    library.services.queue.add(replace(config, name="good"))
    library.services.queue.start()
    qtbot.waitUntil(lambda: not library.services.queue.is_going)
    assert names(library.services.queue) == ["broken"]
    assert "gone.jsonl isn't there" in library.services.queue.runs[0].problem
    assert [run.name for run in list_runs(runs_dir())] == ["good"]
    assert library.services.queue.why_not_start() == "The queue is empty."
    page = library.runs.list
    page.selection.select(page.runs.at(0).run_dir)
    assert page.problem.text() == library.services.queue.runs[0].problem
    assert not page.problem.isHidden()


def test_a_stopped_run_holds_the_queue(
    library: Library, actions: RunActions, config: TrainingConfig, qtbot: QtBot
) -> None:
    library.services.queue.add(replace(config, steps=100_000))
    library.services.queue.add(replace(config, name="second"))
    library.services.queue.start()
    qtbot.waitUntil(lambda: library.services.state.step is not None)
    actions.stop.trigger()
    qtbot.waitUntil(lambda: library.services.state.phase is Phase.FINISHED)
    assert not library.services.queue.is_going
    assert names(library.services.queue) == ["second"]


def test_the_settings_of_the_train_page_are_added_by_the_menu(
    nestling: Nestling, chat_file: Path, qtbot: QtBot
) -> None:
    assert not nestling.actions.queue.isEnabled()
    nestling.commands.open_path(chat_file)
    qtbot.waitUntil(nestling.actions.queue.isEnabled)
    nestling.state.change_config(steps=7)
    nestling.actions.queue.trigger()
    assert [run.config.steps for run in nestling.queue.runs] == [7]
    assert nestling.window.notice.action.text() == "Show Runs"


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        ("{", r"it is damaged \(a key in double quotes is missing \(line 1, column 2\)\)"),
        ("[]", "it is damaged"),
        ('{"format": 9}', "another version of Nestling made it"),
        ('{"format": 1, "runs": [7]}', "it is damaged"),
    ],
)
def test_a_damaged_queue_is_set_aside_and_reported(tmp_path: Path, damage: str, words: str) -> None:
    path = tmp_path / QUEUE_FILE
    path.write_text(damage)
    with pytest.raises(InputError, match=rf"could not be read: {words}\. It is kept in"):
        list(read_queue(path).runs)
    assert not path.exists()
    (aside,) = tmp_path.iterdir()
    assert aside.read_text() == damage


def test_settings_that_are_not_understood_keep_their_place_and_their_words(
    tmp_path: Path, config: TrainingConfig
) -> None:
    path = tmp_path / QUEUE_FILE
    write_queue(
        path,
        SavedQueue(
            (
                queued_run(config),
                queued_run(replace(config, name="new")),
            )
        ),
    )
    saved = json.loads(path.read_text())
    saved["runs"][1]["settings"]["from_the_future"] = 7
    path.write_text(json.dumps(saved))
    runs = list(read_queue(path).runs)
    assert [run.config.name for run in runs] == ["first", "new"]
    assert "no setting named 'from_the_future'" in runs[1].problem
    write_queue(path, SavedQueue(tuple(runs)))
    assert json.loads(path.read_text())["runs"][1]["settings"]["from_the_future"] == 7


def reopened(build: Callable[..., Nestling], first: Nestling, qtbot: QtBot) -> Nestling:
    """Quit in the middle of a run, as a user does, and start the app once more."""
    qtbot.waitUntil(lambda: first.state.step is not None and first.state.step.step >= 2)
    first.quitting.stop_and_quit()
    qtbot.waitUntil(lambda: not first.window.isVisible())
    first.shut_down()
    again = build()
    again.window.show()
    return again


@pytest.fixture
def _third_step_lasts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Until the run is asked to stop, however late the window hears of the second."""
    is_asked = threading.Event()
    cancel, record = Job.cancel, RunRecorder.record

    def cancel_and_note(job: Job) -> None:
        cancel(job)
        is_asked.set()

    def record_and_wait(recorder: RunRecorder, event: Event) -> None:
        record(recorder, event)
        if isinstance(event, StepFinished) and event.step == 3:
            assert is_asked.wait(PATIENCE_SECONDS)

    monkeypatch.setattr(Job, "cancel", cancel_and_note)
    monkeypatch.setattr(RunRecorder, "record", record_and_wait)


@pytest.mark.usefixtures("_third_step_lasts")
def test_an_active_queue_resumes_by_itself_with_the_stopped_run(
    build: Callable[..., Nestling], nestling: Nestling, config: TrainingConfig, qtbot: QtBot
) -> None:
    nestling.queue.add(replace(config, name="long", steps=100, steps_per_eval=100))
    nestling.queue.add(replace(config, name="next"))
    nestling.runs.list.header.start.click()
    again = reopened(build, nestling, qtbot)
    saved = read_queue(home_dir() / QUEUE_FILE)
    assert saved.auto_resume
    assert [run.config.name for run in saved.runs] == ["next"]
    assert saved.unfinished == next(r.run_dir.name for r in list_runs(runs_dir()))
    qtbot.waitUntil(lambda: again.state.phase.is_active)
    assert again.queue.is_going
    assert "queue resumed" in again.window.notice.text.text()
    qtbot.waitUntil(lambda: not again.state.is_inspecting)
    assert again.window.notice.isVisible()
    assert not read_queue(home_dir() / QUEUE_FILE).auto_resume  # a crash from here on holds it
    qtbot.waitUntil(lambda: not again.queue.is_going)
    done = sorted((run.name, run.steps, run.outcome) for run in list_runs(runs_dir()))
    assert done == [("long", 100, "finished"), ("next", 3, "finished")]


def test_a_queue_resumes_with_the_next_run_if_the_stopped_one_is_gone(
    build: Callable[..., Nestling], config: TrainingConfig, qtbot: QtBot
) -> None:
    write_queue(
        home_dir() / QUEUE_FILE,
        SavedQueue((queued_run(config),), auto_resume=True, unfinished="gone"),
    )
    nestling = build()
    nestling.window.show()
    qtbot.waitUntil(lambda: [r.outcome for r in list_runs(runs_dir())] == ["finished"])


@pytest.mark.parametrize("name", ["../x", "/etc", "a/b", 7, None])
def test_an_invalid_name_of_an_unfinished_run_is_ignored(
    config: TrainingConfig, name: object
) -> None:
    path = home_dir() / QUEUE_FILE
    write_queue(path, SavedQueue((queued_run(config),), auto_resume=True, unfinished="r"))
    path.write_text(path.read_text().replace('"r"', json.dumps(name)))
    assert read_queue(path).unfinished == ""


def test_a_run_that_has_begun_is_in_the_library_and_waits_no_more(
    services: Services, config: TrainingConfig, qtbot: QtBot
) -> None:
    services.queue.add(replace(config, name="long", steps=100_000))
    services.queue.add(replace(config, name="next"))
    services.queue.start()
    qtbot.waitUntil(lambda: services.state.step is not None)
    assert names(services.queue) == ["next"]
    qtbot.waitUntil(
        lambda: [r.config.name for r in list(read_queue(home_dir() / QUEUE_FILE).runs)] == ["next"]
    )  # as a kill would leave it
    services.control.stop()
    qtbot.waitUntil(lambda: not services.state.phase.is_active)
    assert names(services.queue) == ["next"]
    assert not services.queue.is_going


def test_the_run_menu_offers_what_can_be_done_with_the_queue(
    nestling: Nestling, config: TrainingConfig
) -> None:
    menus = nestling.menus

    def offered() -> tuple[bool, bool]:
        menus.run.aboutToShow.emit()
        return menus.start_queue.isEnabled(), menus.pause_queue.isEnabled()

    assert offered() == (False, False)
    assert menus.start_queue.toolTip() == "The queue is empty."
    nestling.queue.add(config)
    nestling.queue.hold()
    assert offered() == (True, False)
    nestling.queue.is_going = True
    assert offered() == (False, True)
