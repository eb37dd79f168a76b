"""The main loop of a data process: runs jobs in order and reports over a pipe.

Never imports Qt or MLX. It ends with its parent, after a short time in which the current job can
save its work.
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
"""Niceness of a process for long work."""
GRACE_SECONDS = 5.0


@dataclass(frozen=True)
class Begin:
    """Run this job after all earlier ones."""

    job_id: int
    pickled_function: bytes
    """A pickled JobFunction. Unpickling imports modules, so only the thread that runs jobs does it:
    two threads that import modules of each other can see them half initialized."""


@dataclass(frozen=True)
class Cancel:
    job_id: int


@dataclass(frozen=True)
class Quit:
    """Close the current job, start no other job, and end."""


def serve(connection: Connection, low_priority: bool) -> None:
    """The main function of the process."""
    begin_child(NICENESS if low_priority else 0)
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    # Silences "will result in indexing errors": Nestling truncates long rows and reports them.
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
        # If the parent is gone, this process ends soon.
        with suppress(BrokenPipeError, ConnectionError):
            self._connection.send(notice)

    def _listen(self) -> None:
        try:
            while not isinstance(message := self._connection.recv(), Quit):
                self._take(message)
        except (EOFError, OSError):
            pass  # the parent is gone
        finally:
            self._end()  # without a listener, the parent could wait forever

    def _take(self, message: Begin | Cancel) -> None:
        if isinstance(message, Begin):
            job = Job("", _unpickled(message.pickled_function))
            job.id = message.job_id
            self._unfinished[job.id] = job
            self._jobs.put(job)
        elif cancelled := self._unfinished.get(message.job_id):
            cancelled.close()

    def _end(self) -> None:
        for job in list(self._unfinished.values()):
            job.close()
        self._jobs.put(None)
        threading.Event().wait(GRACE_SECONDS)
        os._exit(1)


def _unpickled(pickled: bytes) -> JobFunction[Any]:
    """A function that is unpickled when it is called, so that an error in it fails the job."""
    return lambda should_stop: pickle.loads(pickled)(should_stop)
