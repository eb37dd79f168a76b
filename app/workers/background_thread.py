"""Runs short tasks without MLX (reading, listing, copying) beside the GUI thread.

They run one at a time on their own thread, so they never wait for training.
"""

import threading
from collections.abc import Callable, Generator
from contextlib import closing
from dataclasses import dataclass
from itertools import count
from time import monotonic
from typing import Any

from PySide6.QtCore import QObject, Qt, QThreadPool, Signal, Slot

from app.core.errors import Failure
from app.workers.background_job import failure_of

SECONDS_BETWEEN_SHARES = 0.3
"""The time to the first progress report, and between two reports."""


@dataclass(frozen=True)
class _Ended:
    task_id: int
    result: object
    failure: Failure | None


@dataclass(frozen=True)
class _Stepped:
    share: float
    on_share: Callable[[float], None]
    is_over: Callable[[], bool]
    """Whether the task was cancelled or the app is ending."""


class BackgroundThread(QObject):
    """Runs functions on a second thread and calls back in the GUI thread."""

    _ended = Signal(object)
    _stepped = Signal(object)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._ids = count(1)
        self._callbacks: dict[int, tuple[Callable[[Any], None], Callable[[Failure], None]]] = {}
        self._is_ending = threading.Event()
        self._pool = QThreadPool(self)
        self._pool.setMaxThreadCount(1)
        self._ended.connect(self._relay, Qt.ConnectionType.QueuedConnection)
        self._stepped.connect(self._relay_share, Qt.ConnectionType.QueuedConnection)

    def run(
        self,
        work: Callable[[], object],
        on_done: Callable[[Any], None],
        on_failed: Callable[[Failure], None],
        *,
        run_on_quit: bool = False,
    ) -> None:
        """Call `work` on the second thread, then exactly one of the callbacks on this one.

        With `run_on_quit`, the task also runs while the app is ending, for example to save the
        user's input.
        """
        task_id = next(self._ids)
        self._callbacks[task_id] = (on_done, on_failed)

        def task() -> None:
            if run_on_quit or not self._is_ending.is_set():
                self._ended.emit(_outcome(task_id, work))

        self._pool.start(task)

    def run_in_steps(
        self,
        work: Callable[[], Generator[float, None, object]],
        on_done: Callable[[Any], None],
        on_failed: Callable[[Failure], None],
        on_share: Callable[[float], None],
    ) -> Callable[[], None]:
        """`run` for work that yields the share done, which `on_share` gets if it takes a while.

        Returns a function that cancels the work: it is closed, and `on_done` gets None. The work is
        also closed when the app ends.
        """
        is_cancelled = threading.Event()

        def is_over() -> bool:
            return is_cancelled.is_set() or self._is_ending.is_set()

        def in_steps() -> object:
            reported_at = monotonic()
            with closing(work()) as steps:
                while not is_over():
                    try:
                        share = next(steps)
                    except StopIteration as ended:
                        return ended.value
                    if monotonic() - reported_at >= SECONDS_BETWEEN_SHARES:
                        reported_at = monotonic()
                        self._stepped.emit(_Stepped(share, on_share, is_over))
            return None

        self.run(in_steps, on_done, on_failed)
        return is_cancelled.set

    @property
    def is_busy(self) -> bool:
        """Whether a task has not ended, or its end has not been reported yet."""
        return bool(self._callbacks)

    def shut_down(self) -> None:
        """Drop the callbacks; wait for the running task and for tasks with `run_on_quit`."""
        self._is_ending.set()
        self._callbacks.clear()
        self._pool.waitForDone()

    @Slot(object)
    def _relay(self, ended: _Ended) -> None:
        on_done, on_failed = self._callbacks.pop(ended.task_id, (None, None))
        if ended.failure is not None and on_failed is not None:
            on_failed(ended.failure)
        elif on_done is not None:
            on_done(ended.result)

    @Slot(object)
    def _relay_share(self, stepped: _Stepped) -> None:
        if not stepped.is_over():
            stepped.on_share(stepped.share)


def _outcome(task_id: int, work: Callable[[], object]) -> _Ended:
    try:
        return _Ended(task_id, work(), None)
    except Exception as error:  # the thread's boundary: errors leave it as text
        return _Ended(task_id, None, failure_of(error))
