"""The one thread that MLX runs on, and its interface in the GUI thread.

Runs jobs from a queue in order, and closes MLX when the thread ends.
"""

import os
import queue
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar

from PySide6.QtCore import QObject, Qt, QThread, Signal, Slot

from app.workers.background_job import Job, JobEnded, JobFunction, JobNotice

T = TypeVar("T")
Report = Callable[[JobNotice], object]
STACK_BYTES = 16 * 1024 * 1024
"""macOS's secondary threads have 512 KB, which is too little to trace a deep model's graph."""

NICENESS = 5
"""Niceness of the compute thread on Linux, where each thread has its own."""


def _lower_priority() -> None:
    """On Linux, lower the priority of this thread, and of the BLAS threads that it starts, below
    the window's. Other systems prefer the window's thread by themselves.
    """
    if sys.platform.startswith("linux"):
        with suppress(OSError):
            thread = threading.get_native_id()
            niceness = os.getpriority(os.PRIO_PROCESS, thread)
            os.setpriority(os.PRIO_PROCESS, thread, max(niceness, NICENESS))


class _ComputeThread(QThread):
    """Works through the queue until it takes None from it."""

    noticed = Signal(object)

    def __init__(self, jobs: "queue.SimpleQueue[Job[Any] | None]") -> None:
        super().__init__()
        self.setObjectName("compute")
        self.setStackSize(STACK_BYTES)
        self._jobs = jobs

    def run(self) -> None:
        _lower_priority()
        try:
            while (job := self._jobs.get()) is not None:
                job.run(self.noticed.emit)
                del job  # otherwise a finished job keeps its model until the next job
        finally:
            _release_mlx()


class ComputeThread(QObject):
    """Takes jobs from the GUI thread and calls back there with their values.

    The thread's own signal has one receiver, a slot of this object, connected before the thread
    starts: PySide6 crashes when connections change while a thread emits.
    """

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._queue: queue.SimpleQueue[Job[Any] | None] = queue.SimpleQueue()
        self._unfinished: dict[int, tuple[Job[Any], Report]] = {}
        self._is_shut_down = False
        self._thread = _ComputeThread(self._queue)
        self._thread.noticed.connect(self._relay, Qt.ConnectionType.QueuedConnection)

    def submit(
        self, label: str, function: JobFunction[T], report: Report = lambda _: None
    ) -> Job[T]:
        """Queue a job; `report` gets its notices in the GUI thread, JobEnded always and last."""
        if self._is_shut_down:
            raise RuntimeError("The compute thread was shut down.")
        job = Job(label, function)
        self._unfinished[job.id] = job, report
        self._queue.put(job)
        if not self._thread.isRunning():  # the first job starts the thread
            self._thread.start()
        return job

    @property
    def is_busy(self) -> bool:
        """Whether a job has not ended, or its end has not been reported yet."""
        return bool(self._unfinished)

    def shut_down(self) -> None:
        """Close the running job, drop the queued jobs, and wait for the thread to end."""
        if self._is_shut_down:
            return
        self._is_shut_down = True
        for job, _ in self._unfinished.values():
            job.close()
        self._queue.put(None)
        self._thread.wait()

    @Slot(object)
    def _relay(self, notice: JobNotice) -> None:
        _, report = self._unfinished[notice.job_id]
        if isinstance(notice, JobEnded):
            del self._unfinished[notice.job_id]
        report(notice)


def _release_mlx() -> None:
    """Release MLX's streams at the end of its thread; otherwise MLX aborts the process at exit."""
    if "mlx.core" in sys.modules:
        from app.engine.runtime.mlx_runtime import close_thread

        close_thread()
