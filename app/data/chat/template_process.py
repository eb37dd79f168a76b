"""Renders chats in one process per template, which has limits and can be stopped.

A template is untrusted code: a thread that renders it can't be stopped within one operation, and
its memory can't be limited. template_server.py does the rendering.
"""

import signal
import threading
import weakref
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from time import monotonic
from typing import Any

from app.core.errors import InputError
from app.core.system import child_processes
from app.core.system.child_processes import terminal_signals_blocked
from app.core.system.interruption import Interruptible, raise_if_stopped
from app.core.system.memory import process_bytes
from app.data.chat.template_server import (
    MEMORY_BYTES,
    OUT_OF_MEMORY,
    Answer,
    Batch,
    Request,
    TooMuch,
    Trial,
    serve,
)

RENDER_SECONDS = 10.0
"""The time limit of one rendering of a chat."""


class RenderingTooCostly(InputError):
    """A rendering exceeded its limit of time, memory or length."""

    def __init__(self, excess: str = "") -> None:
        """`excess` is a predicate, such as "takes more than 1 GB of memory"."""
        self.excess = excess or f"takes longer than {RENDER_SECONDS:g} seconds"
        super().__init__(
            f"The model's chat template {self.excess} for this chat.",
            "Leave the chat out, or fix the template.",
        )


class _Limited(Interruptible):
    too_long = RenderingTooCostly

    def ends(self) -> float:
        return monotonic() + RENDER_SECONDS


limited = _Limited()
"""Inside, Python code that replaces a template raises RenderingTooCostly if it takes too long, and
StoppedEarly if a stop is requested.
"""


TAKES_ALL_MEMORY = f"takes more than {MEMORY_BYTES // 2**30} GB of memory"
_SECONDS_BETWEEN_LOOKS = 0.05
_SECONDS_TO_START = 60.0
_XCPU = -signal.SIGXCPU
_of_thread = threading.local()


class ProcessEnded(Exception):
    """The process ended without an answer; the argument is its exit code."""


class TemplateProcess:
    """The process of one template, started on demand and used by one thread."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._process: BaseProcess | None = None
        self._end: Callable[[], object] = lambda: None
        self._has_answered = self._is_ready = False

    def try_template(self, trial: Trial, max_seconds: float) -> Generator[None, None, Any]:
        """The trial's answer; yields while it waits.

        Raises ProcessEnded, and TimeoutError after `max_seconds`. Closing it early ends the
        process.
        """
        try:
            self._send(trial)
            ends = monotonic() + max_seconds
            while not self._connection.poll(_SECONDS_BETWEEN_LOOKS):
                self._check_memory()
                if monotonic() > ends:
                    raise TimeoutError
                yield
            return self._received()
        except BaseException:
            self.close()
            raise

    def answers(self, requests: Sequence[Request]) -> Iterator[Answer]:
        """The answers to the requests, in order.

        Raises StoppedEarly if a stop is requested. If not all answers are consumed, the process
        ends.
        """
        left = deque(requests)
        one_by_one = False
        try:
            while left:
                yield from self._answers_of_one_process(left, one_by_one)
                one_by_one = True  # finds out which request was too costly
        finally:
            if left:
                self.close()

    def _answers_of_one_process(self, left: deque[Request], one_by_one: bool) -> Iterator[Answer]:
        """Yield answers until all requests are answered or the process ends."""
        try:
            self._send(Batch(tuple(left), one_by_one))
            while left:
                for answer in self._wait_for_answers():
                    left.popleft()
                    yield answer
        except (ProcessEnded, TimeoutError) as ended:
            is_at_fault = one_by_one and (not self._has_answered or not _is_memory(ended))
            self.close()
            if is_at_fault:  # otherwise an earlier request may have used up the memory
                left.popleft()
                yield TooMuch(_excess(ended))

    def _wait_for_answers(self) -> list[Answer]:
        is_ready, self._is_ready = self._is_ready, True
        ends = monotonic() + (RENDER_SECONDS if is_ready else _SECONDS_TO_START)
        while not self._connection.poll(_SECONDS_BETWEEN_LOOKS):
            raise_if_stopped()
            self._check_memory()
            if monotonic() > ends:
                raise TimeoutError
        answers: list[Answer] = self._received()
        self._has_answered = self._has_answered or bool(answers)
        return answers

    def close(self) -> None:
        """End the process; the next request starts a new one."""
        if self._process is not None:
            self._end()
            self._process = None

    def _send(self, request: object) -> None:
        if self._process is not None and not self._process.is_alive():  # it ended while idle
            self.close()
        if self._process is None:
            self._start()
        try:
            self._connection.send(request)
        except OSError:  # it is ending
            self._process.join()  # type: ignore[union-attr]
            raise ProcessEnded(self._process.exitcode) from None  # type: ignore[union-attr]

    def _start(self) -> None:
        context = child_processes.PROCESSES
        self._connection, child_end = context.Pipe()
        self._process = context.Process(
            target=serve, args=(self._source, child_end, RENDER_SECONDS), daemon=True
        )
        with terminal_signals_blocked():
            self._process.start()
        child_end.close()
        self._bytes_at_start = 0
        self._has_answered = self._is_ready = False
        self._end = weakref.finalize(self, _end, self._process, self._connection)

    def _received(self) -> Any:
        try:
            return self._connection.recv()
        except (EOFError, OSError):
            self._process.join()  # type: ignore[union-attr]
            raise ProcessEnded(self._process.exitcode) from None  # type: ignore[union-attr]

    def _check_memory(self) -> None:
        """Raise ProcessEnded if the process takes too much memory.

        Needed on systems without a memory limit, because the process can't check its own memory
        within one operation.
        """
        used = process_bytes(self._process.pid or 0)  # type: ignore[union-attr]
        self._bytes_at_start = self._bytes_at_start or used
        if used - self._bytes_at_start > MEMORY_BYTES:
            raise ProcessEnded(OUT_OF_MEMORY)


def template_process(source: str) -> TemplateProcess:
    """This thread's process for a template."""
    known: dict[str, TemplateProcess] = _of_thread.__dict__.setdefault("processes", {})
    if source not in known:
        known[source] = TemplateProcess(source)
    return known[source]


def end_template_processes() -> None:
    """End this thread's processes now instead of when they have been idle for a while."""
    for process in _of_thread.__dict__.pop("processes", {}).values():
        process.close()


def _end(process: BaseProcess, connection: Connection) -> None:
    process.kill()
    process.join()
    connection.close()


def _is_memory(ended: Exception) -> bool:
    return isinstance(ended, ProcessEnded) and ended.args[0] == OUT_OF_MEMORY


def _excess(ended: Exception) -> str:
    if _is_memory(ended):
        return TAKES_ALL_MEMORY
    if isinstance(ended, TimeoutError) or ended.args[0] in (_XCPU, -signal.SIGKILL):
        return f"takes longer than {RENDER_SECONDS:g} seconds"
    return f"ends its process with exit code {ended.args[0]}"
