"""Chats rendered by a template in a process of its own, which can be ended: at a stop, and where a
chat makes it take too much time or memory.

A template is a foreign program: no thread that renders it could be stopped within one operation,
nor could its memory be bounded. How it is rendered is known in template_server.py.
"""

import signal
import threading
import weakref
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from multiprocessing.process import BaseProcess
from time import monotonic
from typing import Any

from app.core.errors import InputError
from app.core.system import child_processes
from app.core.system.child_signals import terminal_signals_kept_off
from app.core.system.interruption import Interruptible, raise_if_stopped
from app.core.system.process_memory import process_bytes
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
    """The time, the memory or the length of a rendering was over before a chat was rendered."""

    def __init__(self, excess: str = "") -> None:
        """`excess`: the rest of a sentence, such as "takes more than 1 GB of memory"."""
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
"""Of Python code in a template's place: raises RenderingTooCostly inside, once that takes too long,
and StoppedEarly where a stop is asked for."""


TAKES_ALL_MEMORY = f"takes more than {MEMORY_BYTES // 2**30} GB of memory"
_SECONDS_BETWEEN_LOOKS = 0.05
_SECONDS_TO_START = 60.0
_XCPU = -signal.SIGXCPU
_mine = threading.local()


class ProcessEnded(Exception):
    """Before it answered; its exit code is the argument."""


class TemplateProcess:
    """One template's process, started when it is asked; one thread's own."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._process: BaseProcess | None = None
        self._end: Callable[[], object] = lambda: None
        self._has_answered = self._is_ready = False

    def try_template(self, trial: Trial, most_seconds: float) -> Generator[None, None, Any]:
        """The trial's answer; yields while there is none. Raises ProcessEnded, and TimeoutError
        after so many seconds by the clock. Closed early, it ends the process."""
        try:
            self._send(trial)
            ends = monotonic() + most_seconds
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
        """Each request's answer in its turn; not asked for all of them, it ends the process.

        Raises StoppedEarly where this thread's work is asked to stop.
        """
        left = deque(requests)
        is_careful = False
        try:
            while left:
                yield from self._answers_of_one_process(left, is_careful)
                is_careful = True  # one was too much: now it is seen which
        finally:
            if left:
                self.close()

    def _answers_of_one_process(self, left: deque[Request], is_careful: bool) -> Iterator[Answer]:
        """As many of the answers as one process gives."""
        try:
            self._send(Batch(tuple(left), is_careful))
            while left:
                for answer in self._wait_for_answers():
                    left.popleft()
                    yield answer
        except (ProcessEnded, TimeoutError) as ended:
            is_blamed = is_careful and (not self._has_answered or not _is_memory(ended))
            self.close()
            if is_blamed:  # else one before it may have taken its memory
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
        """End the process, whatever it does; the next request starts another."""
        if self._process is not None:
            self._end()
            self._process = None

    def _send(self, request: object) -> None:
        if self._process is not None and not self._process.is_alive():  # nobody asked for long
            self.close()
        if self._process is None:
            self._start()
        try:
            self._connection.send(request)
        except OSError:  # it ends just now
            self._process.join()  # type: ignore[union-attr]
            raise ProcessEnded(self._process.exitcode) from None  # type: ignore[union-attr]

    def _start(self) -> None:
        context = child_processes.PROCESSES
        self._connection, theirs = context.Pipe()
        self._process = context.Process(
            target=serve, args=(self._source, theirs, RENDER_SECONDS), daemon=True
        )
        with terminal_signals_kept_off():
            self._process.start()
        theirs.close()
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
        """Where the process can't be bounded by the system, nor sees it itself within one
        operation."""
        used = process_bytes(self._process.pid or 0)  # type: ignore[union-attr]
        self._bytes_at_start = self._bytes_at_start or used
        if used - self._bytes_at_start > MEMORY_BYTES:
            raise ProcessEnded(OUT_OF_MEMORY)


def template_process(source: str) -> TemplateProcess:
    """This thread's process for a template."""
    known: dict[str, TemplateProcess] = _mine.__dict__.setdefault("processes", {})
    if source not in known:
        known[source] = TemplateProcess(source)
    return known[source]


def end_template_processes() -> None:
    """Those of this thread; each would end by itself after a while."""
    for process in _mine.__dict__.pop("processes", {}).values():
        process.close()


def _end(process: BaseProcess, connection: Any) -> None:
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
