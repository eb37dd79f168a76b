import threading
from collections.abc import Callable, Generator, Iterator
from pathlib import Path

import pytest
from pytestqt.qtbot import QtBot

from app.core.errors import Failure, InputError
from app.workers import background_thread as background_module
from app.workers.background_thread import BackgroundThread
from app.workers.tasks.library import check_model
from tests.patience import PATIENCE_SECONDS


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(background_module, "SECONDS_BETWEEN_SHARES", 0.0)


@pytest.fixture
def background(qapp: object) -> Iterator[BackgroundThread]:
    tasks = BackgroundThread()
    yield tasks
    tasks.shut_down()


def test_work_runs_in_another_thread_and_its_result_arrives_in_this_one(
    qtbot: QtBot, background: BackgroundThread
) -> None:
    results: list[tuple[int, int]] = []
    for _ in range(50):
        background.run(
            threading.get_ident,
            lambda ident: results.append((ident, threading.get_ident())),
            pytest.fail,
        )
    qtbot.waitUntil(lambda: len(results) == 50)
    here = threading.get_ident()
    assert all(worked != here and heard == here for worked, heard in results)


def test_a_failure_arrives_as_text(qtbot: QtBot, background: BackgroundThread) -> None:
    failures: list[Failure] = []

    def fail() -> None:
        raise InputError("There is no such file.", "Choose another.")

    background.run(fail, pytest.fail, failures.append)
    qtbot.waitUntil(lambda: bool(failures))
    assert (failures[0].message, failures[0].hint, failures[0].is_app_error) == (
        "There is no such file.", "Choose another.", True,
    )  # fmt: skip


def test_a_folder_without_weights_is_no_model(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no config\.json"):
        check_model(tmp_path)
    (tmp_path / "config.json").write_text('{"model_type": "llama"}')
    with pytest.raises(InputError, match="no weights"):
        check_model(tmp_path)


def test_a_gguf_folder_gets_a_hint(tmp_path: Path) -> None:
    (tmp_path / "llama.gguf").write_bytes(b"GGUF")
    with pytest.raises(InputError, match="GGUF") as refusal:
        check_model(tmp_path)
    assert "MLX format" in refusal.value.hint


def test_the_engine_and_the_door_have_one_rule(tiny_model: Path) -> None:
    assert check_model(tiny_model) == tiny_model


def test_required_work_is_done_even_while_the_app_ends(qapp: object) -> None:
    done: list[str] = []
    tasks = BackgroundThread()
    tasks.run(lambda: tasks._is_ending.wait(PATIENCE_SECONDS), lambda _: None, pytest.fail)
    tasks.run(lambda: done.append("read"), lambda _: None, pytest.fail)
    tasks.run(lambda: done.append("write"), lambda _: None, pytest.fail, run_on_quit=True)
    tasks.shut_down()
    assert done == ["write"]


def test_work_in_steps_reports_its_progress(qtbot: QtBot, background: BackgroundThread) -> None:
    shares: list[float] = []
    results: list[str] = []

    def work() -> Generator[float, None, str]:
        while len(shares) < 3:
            yield 0.5
        return "done"

    background.run_in_steps(work, results.append, pytest.fail, shares.append)
    qtbot.waitUntil(lambda: results == ["done"])
    assert set(shares) == {0.5}


def test_work_in_steps_is_closed_when_it_is_cancelled(
    qtbot: QtBot, background: BackgroundThread
) -> None:
    results: list[object] = []
    ended: list[str] = []
    cancel = background.run_in_steps(
        lambda: _without_end(ended), results.append, pytest.fail, lambda _: cancel()
    )
    qtbot.waitUntil(lambda: results == [None])
    assert ended == ["closed"]


def test_work_in_steps_is_closed_when_the_app_ends(qapp: object) -> None:
    tasks, ended = BackgroundThread(), list[str]()
    began = threading.Event()
    tasks.run_in_steps(
        lambda: _without_end(ended, began.set), pytest.fail, pytest.fail, lambda _: None
    )
    assert began.wait(PATIENCE_SECONDS)
    tasks.shut_down()
    assert ended == ["closed"]


def _without_end(
    ended: list[str], begin: Callable[[], None] = lambda: None
) -> Generator[float, None, None]:
    try:
        begin()
        while True:
            yield 0.5
    finally:
        ended.append("closed")
