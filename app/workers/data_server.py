"""The main loop of a data process: runs jobs in order and reports over a pipe.

Never imports Qt or MLX. It ends with its parent: after a grace in which the job in hand keeps what
it has done.
"""

import os
import pickle
import queue
import threading
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

from app.core.system.child_processes import begin_child
from app.workers.background_job import Job, JobFunction, JobNotice

NICENESS = 5
"""Niceness of a process for long work: the window comes first."""
GRACE_SECONDS = 5.0


@dataclass(frozen=True)
class Begin:
    """Do this job, after those that were asked for before."""

    job_id: int
    pickled_function: bytes
    """A JobFunction. Unpickling imports modules, so only the working thread does it: two threads
    that import each other's modules see them half initialized."""


@dataclass(frozen=True)
class Cancel:
    job_id: int


@dataclass(frozen=True)
class Quit:
    """Close the current job, start no other, and end."""


def serve(connection: Connection, low_priority: bool) -> None:
    """The process's main function; a patient one leaves the cores to others."""
    begin_child(NICENESS if low_priority else 0)
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    # What Nestling cuts, it counts itself; "will result in indexing errors" is not true here.
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    _Server(connection).work()


class _Server:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._jobs: queue.SimpleQueue[Job[Any] | None] = queue.SimpleQueue()
        self._unfinished: dict[int, Job[Any]] = {}
        threading.Thread(target=self._listen, daemon=True).start()

    def work(self) -> None:
        while (job := self._jobs.get()) is not None:
            job.run(self._report)
            self._unfinished.pop(job.id, None)
            del job

    def _report(self, notice: JobNotice) -> None:
        with suppress(
            BrokenPipeError, ConnectionError
        ):  # the other end is gone, and this process ends soon
            self._connection.send(notice)

    def _listen(self) -> None:
        try:
            while not isinstance(message := self._connection.recv(), Quit):
                self._take(message)
        except (EOFError, OSError):
            pass  # the parent is gone
        finally:
            self._end()  # a process that hears nothing would leave its parent waiting forever

    def _take(self, message: Begin | Cancel) -> None:
        if isinstance(message, Begin):
            job = Job("", _unpickled(message.pickled_function))
            job.id = message.job_id
            self._unfinished[job.id] = job
            self._jobs.put(job)
        elif job_in_hand := self._unfinished.get(message.job_id):
            job_in_hand.close()

    def _end(self) -> None:
        for job in list(self._unfinished.values()):
            job.close()
        self._jobs.put(None)
        threading.Event().wait(GRACE_SECONDS)
        os._exit(1)


def _unpickled(pickled: bytes) -> JobFunction[Any]:
    """The function, unpickled when it is called: what fails then is the job's own failure."""
    return lambda should_stop: pickle.loads(pickled)(should_stop)
