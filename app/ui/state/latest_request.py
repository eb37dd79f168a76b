"""Runs a job in a data process after a debounce delay, and ignores the results of outdated jobs."""

from collections.abc import Callable
from typing import Generic, TypeVar

from PySide6.QtCore import QObject, QTimer

from app.workers.background_job import JobEnded, JobFunction
from app.workers.data_process import DataProcess

Key = TypeVar("Key")


class LatestRequest(QObject, Generic[Key]):
    def __init__(
        self,
        process: DataProcess,
        delay_ms: int,
        parent: QObject,
        *,
        key: Callable[[], Key | None],
        job: Callable[[Key], JobFunction[object] | None],
        take: Callable[[object], None],
        end: Callable[[JobEnded], None] = lambda _: None,
        tries: int = 1,
    ) -> None:
        """`key` returns the inputs that determine the result, or None if there is nothing to run.
        `job` makes the job for a key, or returns None. `take` gets the latest job's values, `end`
        the notice of its end. A failed job is retried until `tries` attempts have failed, because
        its process may have died.
        """
        super().__init__(parent)
        self._process, self._key, self._job, self._take, self._end = process, key, job, take, end
        self.asked: Key | None = None
        self._number: int | None = None
        self._tries, self._failures = tries, 0
        self._timer = QTimer(self, interval=delay_ms, singleShot=True)
        self._timer.timeout.connect(self.ask)

    def refresh(self, *_: object) -> None:
        """Schedule a job if the key has changed. The delay covers several changes in a row, as in
        typing.
        """
        key = self._key()
        if key is None:
            self.drop()
        elif key != self.asked:
            self._timer.start()

    def ask(self) -> None:
        """Run the job now."""
        self._failures = 0
        self._ask()

    def ask_next(self) -> None:
        """Run the job when control returns to the event loop."""
        QTimer.singleShot(0, self, self.ask)

    def drop(self) -> None:
        """Cancel the job and ignore its results; the next `refresh` can schedule another."""
        self._timer.stop()
        self.asked = None
        self._cancel()

    def _ask(self) -> None:
        self._timer.stop()
        self._cancel()
        key = self.asked = self._key()
        job = self._job(key) if key is not None else None
        if job is None:
            return
        # `run` returns the number before any value arrives.
        number = self._process.run(
            job,
            lambda value: self._take_value(number, value),
            lambda ended: self._take_end(number, ended),
        )
        self._number = number

    def _cancel(self) -> None:
        if self._number is not None:
            number, self._number = self._number, None
            self._process.cancel(number)

    def _take_value(self, number: int, value: object) -> None:
        if number == self._number:
            self._take(value)

    def _take_end(self, number: int, ended: JobEnded) -> None:
        if number != self._number:
            return
        self._number = None
        self._failures += ended.ending == "failed"
        if ended.ending == "failed" and self._failures < self._tries:
            self._ask()
        else:
            self._end(ended)
