"""A process beside the window: every job gets its values and one end, however it ends."""

import os
import signal
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from PySide6.QtWidgets import QApplication
from pytestqt.exceptions import capture_exceptions
from pytestqt.qtbot import QtBot

from app.core.errors import Failure
from app.workers.background_job import JobEnded, JobYielded
from app.workers.data_process import DataProcess
from tests.patience import PATIENCE_SECONDS

from .jobs_to_run import Counting, Preparing, Refusing, Reporting, Unreadable, YieldingUnreadable


class Received:
    def __init__(self) -> None:
        self.values: list[object] = []
        self.ended: list[JobEnded] = []


@pytest.fixture
def process(qapp: QApplication, monkeypatch: pytest.MonkeyPatch) -> Iterator[DataProcess]:
    monkeypatch.setattr("app.workers.data_process.PATIENCE_SECONDS", PATIENCE_SECONDS)
    made = DataProcess()
    yield made
    made.shut_down()
    assert not [t for t in threading.enumerate() if "_send_messages" in t.name]


def begin(process: DataProcess, function: object) -> tuple[Received, int]:
    received = Received()
    number = process.run(function, received.values.append, received.ended.append)  # type: ignore[arg-type]
    return received, number


def test_jobs_report_their_values_and_end_in_order(process: DataProcess, qtbot: QtBot) -> None:
    first, _ = begin(process, Counting(3))
    second, _ = begin(process, Refusing())
    qtbot.waitUntil(lambda: bool(second.ended))
    assert first.values == [1, 2, 3]
    assert [ended.ending for ended in first.ended] == ["finished"]
    refusal = second.ended[0].failure
    assert refusal is not None
    assert (refusal.message, refusal.hint, refusal.is_app_error) == (
        "It is blue.", "Paint it.", True,
    )  # fmt: skip
    assert not process.is_busy


def test_a_job_that_cannot_be_unpickled_fails_alone(process: DataProcess, qtbot: QtBot) -> None:
    broken, _ = begin(process, Unreadable())
    next_one, _ = begin(process, Counting(2))
    qtbot.waitUntil(lambda: bool(next_one.ended))
    assert broken.ended[0].ending == "failed"
    assert "half initialized" in str(broken.ended[0].failure)
    assert next_one.values == [1, 2]


def test_a_value_that_cannot_be_unpickled_ends_its_job(process: DataProcess, qtbot: QtBot) -> None:
    with capture_exceptions() as errors:
        broken, _ = begin(process, YieldingUnreadable())
        qtbot.waitUntil(lambda: bool(broken.ended))
    assert [type(error[1]) for error in errors] == [RuntimeError]
    assert broken.ended[0].ending == "failed"
    again, _ = begin(process, Counting(1))
    qtbot.waitUntil(lambda: bool(again.ended))
    assert again.values == [1]


def test_it_has_neither_qt_nor_mlx_and_restarts(process: DataProcess, qtbot: QtBot) -> None:
    first, _ = begin(process, Reporting())
    qtbot.waitUntil(lambda: bool(first.ended))
    process.kill()
    second, _ = begin(process, Reporting())
    qtbot.waitUntil(lambda: bool(second.ended))
    (one, heavy), (other, _) = first.values[0], second.values[0]  # type: ignore[misc]
    assert heavy == set()
    assert len({one, other, os.getpid()}) == 3


def test_a_cancelled_job_closes_in_order_and_one_that_waits_never_begins(
    process: DataProcess, qtbot: QtBot, tmp_path: Path
) -> None:
    job = Counting(3, tmp_path / "note", has_end=False)
    running, number = begin(process, job)
    waiting, other = begin(process, Counting(3, tmp_path / "other"))
    qtbot.waitUntil(job.in_hand.exists)
    qtbot.waitUntil(lambda: running.values == [1, 2, 3])
    process.cancel(other)
    process.cancel(number)
    qtbot.waitUntil(lambda: bool(waiting.ended))
    assert running.ended[0].ending == waiting.ended[0].ending == "cancelled"
    assert (tmp_path / "note").read_text() == "4"
    assert waiting.values == []
    assert not (tmp_path / "other").exists()


def test_a_cancelled_job_reports_no_more_values_and_no_failure(
    process: DataProcess, qtbot: QtBot
) -> None:
    running, number = begin(process, Counting(1, has_end=False))
    qtbot.waitUntil(lambda: running.values == [1])
    child = process._child
    assert child is not None
    process.cancel(number)
    process._relay((child, JobYielded(number, 2)))  # on its way as the job was cancelled
    process._relay((child, JobEnded(number, "failed", Failure("It is blue."))))
    assert running.values == [1]
    assert running.ended == [JobEnded(number, "cancelled")]


def test_a_process_that_dies_fails_its_jobs_and_the_next_one_runs(
    process: DataProcess, qtbot: QtBot
) -> None:
    received, _ = begin(process, Counting(1, has_end=False))
    qtbot.waitUntil(lambda: bool(received.values))
    assert process.process_id is not None
    os.kill(process.process_id, signal.SIGKILL)
    qtbot.waitUntil(lambda: bool(received.ended))
    assert received.ended[0].ending == "failed"
    assert "ended before it was done" in str(received.ended[0].failure)
    after, _ = begin(process, Counting(1))
    qtbot.waitUntil(lambda: bool(after.ended))
    assert after.values == [1]


def test_shutting_down_lets_the_job_in_hand_keep_its_work(
    process: DataProcess, qtbot: QtBot, tmp_path: Path
) -> None:
    job = Counting(3, tmp_path / "note", has_end=False)
    received, _ = begin(process, job)
    qtbot.waitUntil(job.in_hand.exists)
    qtbot.waitUntil(lambda: received.values == [1, 2, 3])
    process.shut_down()
    assert (tmp_path / "note").read_text() == "4"
    assert received.ended == []


def test_shutting_down_does_not_wait_for_a_job_that_has_nothing_to_keep(
    process: DataProcess, qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    received, _ = begin(process, Preparing(tmp_path / "begun"))
    qtbot.waitUntil((tmp_path / "begun").exists)
    child = process._child
    assert child is not None
    done: list[str] = []
    kill, end = child.process.kill, child.end
    monkeypatch.setattr(child.process, "kill", lambda: (done.append("killed"), kill()))
    monkeypatch.setattr(child, "end", lambda: (done.append("waited for"), end()))
    process.shut_down()
    assert done == ["killed", "waited for"]
    assert received.ended == []


def test_a_killed_process_ends_its_jobs_and_does_not_touch_the_next_one(
    process: DataProcess, qtbot: QtBot
) -> None:
    received, _ = begin(process, Counting(1, has_end=False))
    qtbot.waitUntil(lambda: bool(received.values))
    process.kill()
    after, _ = begin(process, Counting(2))
    qtbot.waitUntil(lambda: bool(after.ended) and bool(received.ended))
    assert received.ended[0].ending == "cancelled"
    assert (after.values, after.ended[0].ending) == ([1, 2], "finished")


@pytest.mark.parametrize(("how", "ending"), [("killed", "cancelled"), ("dies", "failed")])
def test_jobs_that_wait_for_a_lost_process_are_done_by_another(
    process: DataProcess, qtbot: QtBot, how: str, ending: str
) -> None:
    running, _ = begin(process, Counting(1, has_end=False))
    waiting, _ = begin(process, Counting(2))
    unwanted, number = begin(process, Counting(3))
    qtbot.waitUntil(lambda: bool(running.values))
    process.cancel(number)
    if how == "killed":
        process.kill()
    else:
        assert process.process_id is not None
        os.kill(process.process_id, signal.SIGKILL)
    jobs = (running, waiting, unwanted)
    qtbot.waitUntil(lambda: all(one.ended for one in jobs))
    assert running.ended[0].ending == ending
    assert (waiting.values, waiting.ended[0].ending) == ([1, 2], "finished")
    assert unwanted.values == []
    assert [len(one.ended) for one in jobs] == [1, 1, 1]


def test_a_process_that_rests_lets_its_job_close_and_the_next_one_starts(
    process: DataProcess, qtbot: QtBot, tmp_path: Path
) -> None:
    received, _ = begin(process, Counting(3, tmp_path / "note", has_end=False))
    qtbot.waitUntil(lambda: bool(received.values))
    process.stop_when_idle()
    assert process.process_id is None
    after, _ = begin(process, Counting(1))
    qtbot.waitUntil(lambda: bool(after.ended) and bool(received.ended))
    assert (tmp_path / "note").exists()
    assert received.ended[0].ending == "cancelled"
    assert after.values == [1]


ORPHAN = """
import os, sys
from pathlib import Path
from PySide6.QtCore import QCoreApplication
from app.workers.data_process import DataProcess
from tests.workers.jobs_to_run import Counting

if __name__ == "__main__":
    application = QCoreApplication([])
    process = DataProcess()
    job = Counting(3, Path(sys.argv[1]), has_end=False)

    def exit_in_the_last_step(number):
        if number == 3:
            while not job.in_hand.exists():
                pass
            os._exit(9)

    process.run(job, exit_in_the_last_step, print)
    application.exec()
"""


def test_it_ends_when_its_parent_is_killed(tmp_path: Path, qtbot: QtBot) -> None:
    import subprocess

    script = tmp_path / "orphan.py"
    script.write_text(ORPHAN)
    root = Path(__file__).resolve().parents[2]
    environment = os.environ | {"PYTHONPATH": str(root)}
    done = subprocess.run(
        [sys.executable, script, tmp_path / "note"],
        cwd=root,
        env=environment,
        timeout=PATIENCE_SECONDS,
    )
    assert done.returncode == 9
    qtbot.waitUntil((tmp_path / "note").exists)
    qtbot.waitUntil(lambda: (tmp_path / "note").read_text() == "4")
