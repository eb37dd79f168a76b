"""A job: a generator with a stop flag, a pause gate and exactly one ending.

Any thread can run it; only its flags are thread-safe.
"""

import threading
import traceback
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from itertools import count
from typing import Any, Generic, Literal, TypeVar

from app.core.errors import AppError, Failure
from app.core.system.interruption import StoppedEarly, stopped_by
from app.core.text.sanitize import error_text

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)
ShouldStop = Callable[[], bool]
JobFunction = Callable[[ShouldStop], Iterator[T]]
"""Takes `should_stop` and yields plain values; closing the iterator must clean up."""


@dataclass(frozen=True)
class JobStarted:
    job_id: int


@dataclass(frozen=True)
class JobYielded(Generic[T_co]):
    """One value the job's generator yielded."""

    job_id: int
    value: T_co


@dataclass(frozen=True)
class JobPaused:
    """The thread waits between two values until it reports JobResumed."""

    job_id: int


@dataclass(frozen=True)
class JobResumed:
    """The pause ended, because the job was resumed, cancelled or closed."""

    job_id: int


@dataclass(frozen=True)
class JobEnded:
    """The end of a job; its last notice, and the only one of this kind."""

    job_id: int
    ending: Literal["finished", "cancelled", "failed"]
    failure: Failure | None = None
    """Why it failed, if it did."""


JobNotice = JobStarted | JobYielded[Any] | JobPaused | JobResumed | JobEnded

_ids = count(1)


class Job(Generic[T]):
    """Created and controlled on any thread; the thread that does the work calls `run` once."""

    def __init__(self, label: str, function: JobFunction[T]) -> None:
        self.id = next(_ids)
        self.label = label
        self._function: JobFunction[T] | None = function
        self._cancelled = threading.Event()
        self._closed = threading.Event()
        self._open_gate = threading.Event()
        self._open_gate.set()
        self._until: Callable[[T], bool] | None = None

    def should_stop(self) -> bool:
        return self._cancelled.is_set()

    def is_paused(self) -> bool:
        return not self._open_gate.is_set()

    def cancel(self) -> None:
        """Ask the work to stop by itself; a paused job resumes first, a queued one never starts."""
        self._cancelled.set()
        self._open_gate.set()

    def close(self) -> None:
        """Cancel, and close the generator after its current step."""
        self._closed.set()
        self.cancel()

    def pause(self) -> None:
        """Ask the work to pause after its current step; JobPaused reports the pause."""
        if not self.should_stop():
            self._open_gate.clear()
            if self.should_stop():  # cancelled in between; a cancelled job must not pause
                self._open_gate.set()

    def resume(self, until: Callable[[T], bool] | None = None) -> None:
        """Resume; with `until`, pause again after the first value for which it returns True.

        `until` is called on the thread that does the work.
        """
        self._until = until
        self._open_gate.set()

    def run(self, report: Callable[[JobNotice], None]) -> None:
        """Do the work to its end. An exception is reported as text in JobEnded and not raised."""
        function, self._function = self._function, None
        if function is None:
            raise RuntimeError(f"Job {self.id} ({self.label}) was already run.")
        if self.should_stop():
            report(JobEnded(self.id, "cancelled"))
            return
        report(JobStarted(self.id))
        report(self._drive(function, report))

    def _drive(self, function: JobFunction[T], report: Callable[[JobNotice], None]) -> JobEnded:
        work: Iterator[T] = iter(())
        try:
            work = function(self.should_stop)
            with stopped_by(self.should_stop):
                for value in work:
                    report(JobYielded(self.id, value))
                    if (until := self._until) is not None and until(value):
                        self._until = None
                        self.pause()
                    self._rest_while_paused(report)
                    if self._closed.is_set():
                        break
                _close(work)
        except StoppedEarly:
            pass
        except BaseException as error:  # the thread's boundary: every error becomes a Failure
            return JobEnded(self.id, "failed", failure_of(error))
        return JobEnded(self.id, "cancelled" if self.should_stop() else "finished")

    def _rest_while_paused(self, report: Callable[[JobNotice], None]) -> None:
        if self.is_paused():
            report(JobPaused(self.id))
            self._open_gate.wait()
            report(JobResumed(self.id))


def _close(work: Iterator[object]) -> None:
    if isinstance(work, Generator):
        work.close()


def failure_of(error: BaseException) -> Failure:
    """The error as text, so that objects that it refers to are freed."""
    details = "".join(traceback.format_exception(error))
    traceback.clear_frames(error.__traceback__)
    if isinstance(error, AppError):
        return Failure(error.message, error.hint, details)
    name = type(error).__name__
    message = f"{name}: {error_text(error)}" if str(error) else name
    return Failure(message, details=details, is_app_error=False)
