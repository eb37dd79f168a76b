import gc
import threading
import weakref
from collections.abc import Callable, Iterator

import pytest

from app.core.errors import InputError
from app.core.system.interruption import interruptible
from app.workers.background_job import (
    Job,
    JobEnded,
    JobNotice,
    JobPaused,
    JobResumed,
    JobStarted,
    JobYielded,
)
from tests.patience import PATIENCE_SECONDS, patience

ShouldStop = Callable[[], bool]


def counting(until: int) -> Callable[[ShouldStop], Iterator[object]]:
    def work(should_stop: ShouldStop) -> Iterator[object]:
        for number in range(until):
            if should_stop():
                yield "stopped by itself"
                return
            yield number

    return work


def run(job: Job) -> list[JobNotice]:
    notices: list[JobNotice] = []
    job.run(notices.append)
    return notices


def test_a_job_tells_its_start_its_values_and_its_ending() -> None:
    job = Job("count", counting(2))
    assert run(job) == [
        JobStarted(job.id),
        JobYielded(job.id, 0),
        JobYielded(job.id, 1),
        JobEnded(job.id, "finished"),
    ]


def test_a_job_cancelled_in_the_queue_never_starts() -> None:
    started = []
    job = Job("never", lambda _: iter(started.append(1) or ()))  # type: ignore[func-returns-value]
    job.cancel()
    assert run(job) == [JobEnded(job.id, "cancelled")]
    assert not started


def test_a_cancelled_job_comes_to_its_own_end() -> None:
    job = Job("count", counting(1000))
    notices: list[JobNotice] = []

    def take(notice: JobNotice) -> None:
        notices.append(notice)
        if notice == JobYielded(job.id, 3):
            job.cancel()

    job.run(take)
    assert notices[-2:] == [
        JobYielded(job.id, "stopped by itself"),
        JobEnded(job.id, "cancelled"),
    ]


def test_a_cancelled_job_leaves_foreign_code() -> None:
    closed = []

    def work(_: ShouldStop) -> Iterator[object]:
        try:
            with patience() as is_over, interruptible:
                job.cancel()
                while not is_over():
                    pass
            yield "came to its end"
        finally:
            closed.append(0)

    job = Job("slow", work)
    assert run(job) == [JobStarted(job.id), JobEnded(job.id, "cancelled")]
    assert closed == [0]


def test_a_closed_job_runs_its_finally_and_yields_nothing_more() -> None:
    closed = []

    def work(_: ShouldStop) -> Iterator[object]:
        try:
            yield from range(1000)
        finally:
            closed.append(threading.get_ident())

    job = Job("close", work)
    notices: list[JobNotice] = []

    def take(notice: JobNotice) -> None:
        notices.append(notice)
        if notice == JobYielded(job.id, 3):
            job.close()

    job.run(take)
    assert notices[-2:] == [JobYielded(job.id, 3), JobEnded(job.id, "cancelled")]
    assert closed == [threading.get_ident()]


def test_a_foreseen_error_becomes_its_sentence() -> None:
    def work(_: ShouldStop) -> Iterator[object]:
        yield 1
        raise InputError("The file is empty.", "Choose another.")

    ending = run(Job("fail", work))[-1]
    assert isinstance(ending, JobEnded)
    failure = ending.failure
    assert failure is not None
    assert (ending.ending, failure.message, failure.hint, failure.is_app_error) == (
        "failed", "The file is empty.", "Choose another.", True,
    )  # fmt: skip


def test_a_defect_becomes_text_with_its_traceback() -> None:
    def work(_: ShouldStop) -> Iterator[object]:
        raise ZeroDivisionError("by nought")
        yield

    notices = run(Job("fail", work))
    ending = notices[-1]
    assert isinstance(ending, JobEnded)
    assert ending.failure is not None
    assert ending.failure.message == "ZeroDivisionError: by nought"
    assert "in work" in ending.failure.details
    assert not ending.failure.is_app_error
    assert sum(isinstance(n, JobEnded) for n in notices) == 1


@pytest.mark.parametrize("fails", [False, True])
def test_a_job_that_is_over_keeps_nothing_of_its_work_in_memory(fails: bool) -> None:
    class Model:
        pass

    kept: list[weakref.ref[Model]] = []

    def work(_: ShouldStop) -> Iterator[object]:
        model = Model()
        kept.append(weakref.ref(model))
        yield 1
        if fails:
            raise RuntimeError("out of memory")

    job = Job("hold", work)
    run(job)
    gc.collect()
    assert kept[0]() is None


class WatchedGate(threading.Event):
    """Notes among the notices where a thread begins to wait, and where it is let through."""

    def __init__(self, notes: list[object]) -> None:
        super().__init__()
        self.set()
        self._notes = notes
        self.is_waited_at = threading.Event()

    def wait(self, timeout: float | None = None) -> bool:
        self._notes.append("waits")
        self.is_waited_at.set()
        return super().wait(timeout)

    def set(self) -> None:
        if hasattr(self, "_notes"):
            self._notes.append("let through")
        super().set()


def test_a_paused_job_reports_its_rest_and_does_nothing_until_it_is_resumed() -> None:
    job = Job("count", counting(4))
    notes: list[object] = []
    job._open_gate = gate = WatchedGate(notes)
    reported_on: set[int] = set()

    def take(notice: JobNotice) -> None:
        notes.append(notice)
        reported_on.add(threading.get_ident())
        if notice == JobYielded(job.id, 2):
            job.pause()
        if isinstance(notice, JobEnded):
            gate.is_waited_at.set()  # it never will be

    thread = threading.Thread(target=job.run, args=[take])
    thread.start()
    assert gate.is_waited_at.wait(PATIENCE_SECONDS)
    job.resume()
    thread.join(PATIENCE_SECONDS)
    assert notes[notes.index(JobYielded(job.id, 2)) :] == [
        JobYielded(job.id, 2),
        JobPaused(job.id),
        "waits",
        "let through",
        JobResumed(job.id),
        JobYielded(job.id, 3),
        JobEnded(job.id, "finished"),
    ]
    assert reported_on == {thread.ident}


def test_a_pause_taken_back_before_the_step_ended_is_no_rest() -> None:
    job = Job("count", counting(3))
    notices: list[JobNotice] = []

    def take(notice: JobNotice) -> None:
        notices.append(notice)
        if notice == JobYielded(job.id, 1):
            job.pause()
            job.resume()

    job.run(take)
    assert not any(isinstance(notice, JobPaused | JobResumed) for notice in notices)


def test_a_job_resumed_up_to_a_value_rests_right_after_it() -> None:
    job = Job("count", counting(9))
    notices: list[JobNotice] = []
    rested_after: list[JobNotice] = []

    def take(notice: JobNotice) -> None:
        if isinstance(notice, JobPaused):
            rested_after.append(notices[-1])
            job.resume(until=lambda value: value == 4)
        notices.append(notice)
        if notice == JobYielded(job.id, 1):
            job.pause()
        if notice == JobYielded(job.id, 6):
            job.pause()
            job.resume()

    job.run(take)
    assert rested_after == [JobYielded(job.id, 1), JobYielded(job.id, 4)]
    assert notices[-1] == JobEnded(job.id, "finished")


@pytest.mark.parametrize("end", [Job.cancel, Job.close])
def test_a_paused_job_wakes_to_be_ended(end: Callable[[Job], None]) -> None:
    job = Job("count", counting(1000))
    job.pause()
    notices: list[JobNotice] = []
    rests = threading.Event()

    def take(notice: JobNotice) -> None:
        notices.append(notice)
        if isinstance(notice, JobPaused):
            rests.set()

    thread = threading.Thread(target=job.run, args=[take])
    thread.start()
    assert rests.wait(PATIENCE_SECONDS)
    end(job)
    thread.join(PATIENCE_SECONDS)
    assert not thread.is_alive()
    assert JobResumed(job.id) in notices
    assert notices[-1] == JobEnded(job.id, "cancelled")


def test_a_stopped_job_can_not_be_paused() -> None:
    job = Job("count", counting(3))
    job.cancel()
    job.pause()
    assert not job.is_paused()


def test_a_job_runs_once() -> None:
    job = Job("count", counting(1))
    run(job)
    with pytest.raises(RuntimeError, match="already run"):
        run(job)
