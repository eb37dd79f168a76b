"""A process that reads datasets, and its interface in the GUI thread.

Reading and tokenizing hold Python's interpreter lock, so in a thread they would make the window
stutter.
"""

import pickle
import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import count
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any, TypeVar

from PySide6.QtCore import QObject, Qt, QThread, Signal, Slot

from app.core.errors import Failure
from app.core.system import child_processes
from app.core.system.child_processes import terminal_signals_blocked
from app.workers.background_job import JobEnded, JobFunction, JobYielded
from app.workers.data_server import Begin, Cancel, Quit, serve

PATIENCE_SECONDS = 4.0
"""The time that an ending process has to close its current job."""

T = TypeVar("T")
OnEnded = Callable[[JobEnded], None]

_LOST = Failure(
    "The process that reads datasets ended before it was done.",
    "Try again; finished work is kept. If this happens again, memory may be short.",
)


@dataclass(frozen=True)
class _Job:
    child: "_WorkerProcess"
    function: JobFunction[Any]
    on_value: Callable[[Any], None]
    on_ended: OnEnded
    is_cancelled: bool = False
    has_yielded: bool = False
    """Whether the job has yielded a value, so that there may be work to save."""


class DataProcess(QObject):
    """Runs picklable jobs one after the other, and calls back in the GUI thread.

    The process starts with the first job. If it dies, the next job starts a new one.
    """

    def __init__(self, parent: QObject | None = None, *, low_priority: bool = False) -> None:
        """`low_priority` is for long work, which leaves the cores to other processes."""
        super().__init__(parent)
        self._low_priority = low_priority
        self._ids = count(1)
        self._jobs: dict[int, _Job] = {}
        self._child: _WorkerProcess | None = None
        self._leaving: list[_WorkerProcess] = []
        self._is_over = False

    @property
    def is_busy(self) -> bool:
        """Whether a job has not ended, or its end has not been reported yet."""
        return bool(self._jobs)

    def is_only_job(self, job_id: int | None) -> bool:
        """Whether no other job is queued or running."""
        return all(number == job_id for number in self._jobs)

    @property
    def process_id(self) -> int | None:
        return self._child.process.pid if self._child else None

    def warm_up(self) -> None:
        """Start the process, so that the first job doesn't wait for it."""
        if self._child is None and not self._is_over:
            self._child = child = _WorkerProcess(self._low_priority)
            child.listener.received.connect(self._relay, Qt.ConnectionType.QueuedConnection)
            child.begin()

    def run(
        self, function: JobFunction[T], on_value: Callable[[T], None], on_ended: OnEnded
    ) -> int:
        """Queue a job and return its number; `on_ended` is called once, after all values."""
        job_id = next(self._ids)
        self.warm_up()
        if self._child is not None:
            self._jobs[job_id] = _Job(self._child, function, on_value, on_ended)
            self._child.send(Begin(job_id, pickle.dumps(function)))
        return job_id

    def cancel(self, job_id: int) -> None:
        """Ask a job to close after its current step; a queued job never starts.

        It reports no more values, because their receiver may be gone, and ends as cancelled.
        """
        if (job := self._jobs.get(job_id)) is not None:
            self._jobs[job_id] = replace(job, is_cancelled=True)
            job.child.send(Cancel(job_id))

    def kill(self) -> None:
        """End the process at once. Its current job ends as cancelled when the process is gone;
        another process runs the queued jobs."""
        if (child := self._child) is not None:
            self._child = None
            self._leaving.append(child)
            child.process.kill()
            self._requeue(child)

    def stop_when_idle(self) -> None:
        """Have the process end after closing its current job; the next job starts a new one."""
        if (child := self._child) is not None:
            self._child = None
            self._leaving.append(child)
            child.send(Quit())

    def shut_down(self) -> None:
        """Drop the callbacks and end all processes.

        A job that has yielded a value may save its finished work; other processes are killed.
        """
        self._is_over = True
        children = (*self._leaving, *([self._child] if self._child else ()))
        for child in children:
            child.send(Quit())
            if not any(job.child is child and job.has_yielded for job in self._jobs.values()):
                child.process.kill()
        for child in children:
            child.end()
        self._jobs.clear()
        self._child, self._leaving = None, []

    @Slot(object)
    def _relay(self, received: "tuple[_WorkerProcess, object]") -> None:
        child, notice = received
        if child is not self._child and child not in self._leaving:
            return
        if isinstance(notice, JobYielded):
            if child is self._child and (job := self._jobs.get(notice.job_id)) is not None:
                self._jobs[notice.job_id] = replace(job, has_yielded=True)
                if not job.is_cancelled:
                    job.on_value(notice.value)
        elif isinstance(notice, JobEnded):
            if (job := self._jobs.get(notice.job_id)) is not None and job.child is child:
                self._end(notice)
        elif notice is None:
            self._on_exit(child)

    def _requeue(self, child: "_WorkerProcess") -> None:
        """Have another process run the queued jobs of a process that ended."""
        waiting = sorted(number for number, job in self._jobs.items() if job.child is child)[1:]
        for job_id in waiting:
            job = self._jobs[job_id]
            if job.is_cancelled:
                continue  # it ends as cancelled when the process is gone
            self.warm_up()
            if self._child is not None:
                self._jobs[job_id] = replace(job, child=self._child)
                self._child.send(Begin(job_id, pickle.dumps(job.function)))

    def _on_exit(self, child: "_WorkerProcess") -> None:
        """End the current job of a process that is gone."""
        was_dismissed = child in self._leaving
        if was_dismissed:
            self._leaving.remove(child)
        else:
            self._child = None
            self._requeue(child)
        child.end()
        for job_id in [number for number, job in self._jobs.items() if job.child is child]:
            if was_dismissed:
                self._end(JobEnded(job_id, "cancelled"))
            else:
                self._end(JobEnded(job_id, "failed", _LOST))

    def _end(self, ended: JobEnded) -> None:
        if (job := self._jobs.pop(ended.job_id, None)) is not None:
            job.on_ended(JobEnded(ended.job_id, "cancelled") if job.is_cancelled else ended)


class _WorkerProcess:
    """One process with the threads that send to it and receive from it."""

    def __init__(self, low_priority: bool) -> None:
        processes = child_processes.PROCESSES
        self._here, self._there = processes.Pipe()
        self.process: BaseProcess = processes.Process(
            target=serve, args=(self._there, low_priority)
        )
        self.listener = _Listener(self, self._here)
        self._messages: queue.SimpleQueue[object] = queue.SimpleQueue()
        self._sender = threading.Thread(target=self._send_messages, daemon=True)

    def begin(self) -> None:
        with terminal_signals_blocked():
            self.process.start()
        self._there.close()
        self.listener.start()
        self._sender.start()

    def send(self, message: object) -> None:
        """Queue a message; does not block, however large the message is."""
        self._messages.put(message)

    def end(self) -> None:
        """Wait until the process and both threads are gone."""
        self.send(Quit())
        self.send(None)
        self.process.join(PATIENCE_SECONDS)
        if self.process.is_alive():
            self.process.kill()
            self.process.join()
        self._sender.join()
        self.listener.wait()
        self._here.close()

    def _send_messages(self) -> None:
        while (message := self._messages.get()) is not None:
            try:
                self._here.send(message)
            except OSError:  # the process is gone, which the listener reports
                return


class _Listener(QThread):
    """Receives a process's messages until it ends; its signal has one receiver."""

    received = Signal(object)

    def __init__(self, child: _WorkerProcess, connection: Connection) -> None:
        super().__init__()
        self.setObjectName("data process")
        self._child, self._connection = child, connection

    def run(self) -> None:
        try:
            while True:
                self.received.emit((self._child, self._connection.recv()))
        except (EOFError, OSError):
            pass  # the process is gone
        finally:
            self.received.emit((self._child, None))  # always, so that no job waits forever
