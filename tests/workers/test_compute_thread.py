import os
import random
import sys
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator

import pytest
from pytestqt.qtbot import QtBot

from app.workers.background_job import (
    JobEnded,
    JobNotice,
    JobPaused,
    JobResumed,
    JobStarted,
    JobYielded,
)
from app.workers.compute_thread import NICENESS, ComputeThread
from tests.patience import PATIENCE_SECONDS

ShouldStop = Callable[[], bool]


@pytest.fixture
def compute(qapp: object) -> Iterator[ComputeThread]:
    thread = ComputeThread()
    yield thread
    thread.shut_down()


def idents(count: int) -> Callable[[ShouldStop], Iterator[object]]:
    def work(_: ShouldStop) -> Iterator[object]:
        for _number in range(count):
            yield threading.get_ident()

    return work


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="threads have no niceness there")
def test_the_computing_thread_gets_a_core_after_the_windows(
    qtbot: QtBot, compute: ComputeThread
) -> None:
    def own_niceness(_: ShouldStop) -> Iterator[object]:
        yield os.getpriority(os.PRIO_PROCESS, threading.get_native_id())

    seen: list[object] = []
    job = compute.submit("how nice", own_niceness, seen.append)
    qtbot.waitUntil(lambda: not compute.is_busy)
    here = os.getpriority(os.PRIO_PROCESS, threading.get_native_id())
    assert seen[1:-1] == [JobYielded(job.id, max(here, NICENESS))]


def test_all_jobs_run_on_one_thread_that_is_not_the_gui_thread(
    qtbot: QtBot, compute: ComputeThread
) -> None:
    seen: list[object] = []
    heard_on: set[int] = set()

    def take(notice: JobNotice) -> None:
        if isinstance(notice, JobYielded):
            seen.append(notice.value)
        heard_on.add(threading.get_ident())

    for _ in range(3):
        compute.submit("who", idents(2), take)
    qtbot.waitUntil(lambda: not compute.is_busy)
    assert len(seen) == 6
    assert len(set(seen)) == 1
    assert threading.get_ident() not in seen
    assert heard_on == {threading.get_ident()}


def test_jobs_run_in_the_order_they_came(qtbot: QtBot, compute: ComputeThread) -> None:
    notices: list[JobNotice] = []
    jobs = [compute.submit(f"job {i}", idents(1), notices.append) for i in range(5)]
    qtbot.waitUntil(lambda: not compute.is_busy)
    started = [notice.job_id for notice in notices if isinstance(notice, JobStarted)]
    assert started == [job.id for job in jobs]


def test_a_generator_is_closed_on_its_own_thread_at_shut_down(
    qtbot: QtBot, compute: ComputeThread
) -> None:
    seen: list[int] = []

    def work(_: ShouldStop) -> Iterator[object]:
        seen.append(threading.get_ident())
        try:
            while True:
                yield 1
        finally:
            seen.append(threading.get_ident())

    job = compute.submit("endless", work)
    queued = compute.submit("queued", lambda _: iter([seen.append(0)]))
    qtbot.waitUntil(lambda: bool(seen))
    job.pause()
    compute.shut_down()
    assert len(seen) == 2
    assert seen[0] == seen[1] != threading.get_ident()
    assert queued.should_stop()


def test_a_pause_and_its_end_are_reported_in_the_gui_thread_between_two_values(
    qtbot: QtBot, compute: ComputeThread
) -> None:
    notices: list[object] = []
    heard_on: set[int] = set()

    def take(notice: JobNotice) -> None:
        notices.append(notice)
        heard_on.add(threading.get_ident())

    gate = threading.Event()

    def work(_: ShouldStop) -> Iterator[object]:
        gate.wait()
        yield from range(2)

    job = compute.submit("count", work, take)
    job.pause()
    gate.set()
    qtbot.waitUntil(lambda: JobPaused(job.id) in notices)
    assert notices == [JobStarted(job.id), JobYielded(job.id, 0), JobPaused(job.id)]
    job.resume()
    qtbot.waitUntil(lambda: not compute.is_busy)
    assert notices[3:-1] == [JobResumed(job.id), JobYielded(job.id, 1)]
    assert heard_on == {threading.get_ident()}


def test_nothing_can_be_submitted_after_shut_down(compute: ComputeThread) -> None:
    compute.shut_down()
    compute.shut_down()
    with pytest.raises(RuntimeError, match="shut down"):
        compute.submit("late", idents(1))


def test_200_jobs_that_end_in_every_way_each_have_one_ending_and_it_is_last(
    qtbot: QtBot, compute: ComputeThread
) -> None:
    notices: dict[int, list[object]] = defaultdict(list)

    def take(notice: JobNotice) -> None:
        notices[notice.job_id].append(notice)

    draw = random.Random(0)

    def failing(_: ShouldStop) -> Iterator[object]:
        yield 1
        raise ValueError("as planned")

    half_are_there = threading.Event()

    def waiting(_: ShouldStop) -> Iterator[object]:
        """So that some are canceled before they begin, however late that is."""
        yield half_are_there.wait(PATIENCE_SECONDS)

    jobs = [compute.submit("first", waiting, take)]
    for number in range(200):
        if number == 100:
            half_are_there.set()
        job = compute.submit(f"job {number}", failing if number % 7 == 0 else idents(20), take)
        jobs.append(job)
        if number % 3 == 0:
            draw.choice(jobs).cancel()
        if number % 5 == 0:
            draw.choice(jobs).pause()
    for job in jobs:
        job.resume()
    qtbot.waitUntil(lambda: not compute.is_busy)
    assert set(notices) == {job.id for job in jobs}
    for received in notices.values():
        assert isinstance(received[-1], JobEnded)
        assert sum(isinstance(n, JobEnded) for n in received) == 1
        assert len(received) == 1 or isinstance(received[0], JobStarted)
    endings = {received[-1].ending for received in notices.values()}  # type: ignore[attr-defined]
    assert endings == {"finished", "cancelled", "failed"}
