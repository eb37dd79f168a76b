"""Work in steps in a process of its own, which ends with its owner.

The work must not import MLX: it can't share a device.
"""

import pickle
import threading
from collections.abc import Callable, Generator
from contextlib import closing, suppress
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from time import monotonic
from typing import Generic, TypeVar, cast

from app.core.errors import AppError, RunError
from app.core.system import child_processes
from app.core.system.child_processes import begin_child, end_with_parent, terminal_signals_blocked

_SECONDS_BETWEEN_SHARES = 0.2
_SECONDS_TO_END = 4.0
"""Long enough to close a chunk and to write a journal."""

T = TypeVar("T")
Work = Callable[[], Generator[float, None, T]]
"""Picklable; yields the share done and returns a picklable result."""


class WorkProcess(Generic[T]):
    """Starts the process, follows its progress and ends it."""

    def __init__(self, work: Work[T], lost: RunError, niceness: int = 0) -> None:
        """`lost` is raised if the process ends without a result."""
        self._work, self._lost, self._niceness = work, lost, niceness
        self._process: BaseProcess | None = None
        self._results: list[T] = []
        self.share = 0.0
        """The share done, from 0 to 1."""

    def start(self) -> None:
        context = child_processes.PROCESSES
        self._messages, messages = context.Pipe(duplex=False)
        keep_alive, self._keep_alive = context.Pipe(duplex=False)
        # Pickled here: unpickling imports modules, which must happen after `begin_child`.
        payload = pickle.dumps(self._work)
        self._process = context.Process(
            target=_run, args=(payload, self._niceness, messages, keep_alive)
        )
        with terminal_signals_blocked():
            self._process.start()
        messages.close()
        keep_alive.close()

    def is_done(self, patience: float = 0.0) -> bool:
        """Whether there is a result, waiting up to `patience` seconds.

        Raises the work's AppError, or `lost` if the process ended.
        """
        while not self._results and self._messages.poll(patience):
            patience = 0.0
            try:
                message = self._messages.recv()
            except (EOFError, OSError):
                raise self._lost from None
            if isinstance(message, AppError):
                raise message
            if isinstance(message, _Result):
                self.share = 1.0
                self._results.append(cast(T, message.value))
            else:
                self.share = message
        return bool(self._results)

    def waiting(self, patience: float = 0.05) -> Generator[float, None, T]:
        """Its result; yields the share done, every `patience` seconds. Raises as `is_done`."""
        while not self.is_done(patience):
            yield self.share
        return self._results[0]

    def close(self) -> None:
        """End the process and close its work."""
        if self._process is None:
            return
        self._keep_alive.close()
        self._messages.close()  # it may be waiting to send a large result
        self._process.join(_SECONDS_TO_END)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()
        self._process = None


class _Result:
    def __init__(self, value: object) -> None:
        self.value = value


def _run(payload: bytes, niceness: int, messages: Connection, keep_alive: Connection) -> None:
    """The process's main function."""
    begin_child(niceness)
    should_end = end_with_parent(keep_alive, _SECONDS_TO_END)
    try:
        _send(messages, _outcome(pickle.loads(payload), messages, should_end))
    except AppError as error:
        _send(messages, error)


def _outcome(work: Work[object], messages: Connection, should_end: threading.Event) -> object:
    last_sent = monotonic()
    with closing(work()) as steps:
        while not should_end.is_set():
            try:
                share = next(steps)
            except StopIteration as ended:
                return _Result(ended.value)
            if monotonic() - last_sent > _SECONDS_BETWEEN_SHARES:
                last_sent = monotonic()
                _send(messages, share)
    return 0.0


def _send(messages: Connection, message: object) -> None:
    with suppress(OSError):  # the owner has ended
        messages.send(message)
