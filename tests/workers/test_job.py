import gc
import threading
import weakref
from collections.abc import Callable, Iterator

import pytest

from app.core.errors import InputError
from app.workers.job import Job, JobEnded, JobNotice, JobStarted, JobYielded

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
    assert (ending.ending, ending.message, ending.hint, ending.is_app_error) == (
        "failed", "The file is empty.", "Choose another.", True,
    )  # fmt: skip


def test_a_defect_becomes_text_with_its_traceback() -> None:
    def work(_: ShouldStop) -> Iterator[object]:
        raise ZeroDivisionError("by nought")
        yield

    notices = run(Job("fail", work))
    ending = notices[-1]
    assert isinstance(ending, JobEnded)
    assert ending.message == "ZeroDivisionError: by nought"
    assert "in work" in ending.details
    assert not ending.is_app_error
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


def test_a_paused_job_pulls_nothing_until_it_goes_on() -> None:
    job = Job("count", counting(6))
    notices: list[JobNotice] = []
    reached = threading.Event()

    def take(notice: JobNotice) -> None:
        notices.append(notice)
        if notice == JobYielded(job.id, 2):
            job.pause()
            reached.set()

    thread = threading.Thread(target=job.run, args=[take])
    thread.start()
    assert reached.wait(5)
    thread.join(0.05)
    assert thread.is_alive()
    assert notices[-1] == JobYielded(job.id, 2)
    job.resume()
    thread.join(5)
    assert notices[-1] == JobEnded(job.id, "finished")


@pytest.mark.parametrize("end", [Job.cancel, Job.close])
def test_a_paused_job_wakes_to_be_ended(end: Callable[[Job], None]) -> None:
    job = Job("count", counting(1000))
    job.pause()
    notices: list[JobNotice] = []
    thread = threading.Thread(target=job.run, args=[notices.append])
    thread.start()
    end(job)
    thread.join(5)
    assert not thread.is_alive()
    assert isinstance(notices[-1], JobEnded)
    assert notices[-1].ending == "cancelled"


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
