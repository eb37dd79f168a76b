"""The process that renders a chat template, with limits on time and memory.

It tries the template on short chats and renders chats; the types of requests and answers are here
too. It imports neither transformers nor MLX, so that it starts fast, and ends when it is idle.
"""

import os
import resource
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from time import monotonic, process_time, sleep
from typing import Any, NamedTuple

from app.core.system.child_processes import begin_child
from app.core.system.memory import process_bytes
from app.core.text.sanitize import error_text

MEMORY_BYTES = 2**30
"""The memory that the process may use beyond that at its start."""
OUT_OF_MEMORY = 3
"""Exit code of a process that exceeded its memory limit."""
_MAX_WORD_CHARACTERS = 10**6
_MAX_CHARACTERS = 2**24
_MAX_EXPANSION = 16
"""A text beyond `_MAX_CHARACTERS` may have this many characters per character of the request, since
templates escape characters."""
_IDLE_SECONDS = 60.0
_SECONDS_BETWEEN_SIGNS = 0.1
_SPARE_CPU_SECONDS = 2
"""Processor time beyond the parent's wall-clock limit; this limit ends a process whose parent died.
"""


class Call(NamedTuple):
    """One rendering of a chat's first `turns` messages, with or without the generation prompt."""

    turns: int
    prompted: bool


@dataclass(frozen=True)
class Request:
    """Several renderings of one chat."""

    messages: Sequence[Mapping[str, Any]]
    options: Mapping[str, Any]
    """Further variables of the template."""
    calls: tuple[Call, ...]


@dataclass(frozen=True)
class Batch:
    requests: tuple[Request, ...]
    one_by_one: bool
    """Send each answer at once, so that the parent knows which request is in progress."""


@dataclass(frozen=True)
class Trial:
    cpu_seconds: int


class Text(NamedTuple):
    """A rendering: `shared` characters of the request's first one, then `rest`."""

    shared: int
    rest: str


class Refusal(NamedTuple):
    """The template's error message."""

    reason: str


class TooMuch(NamedTuple):
    """The chat can't be rendered within the limits."""

    excess: str
    """A predicate about the template, such as "takes more than 1 GB of memory"."""


Answer = list[Text | Refusal] | TooMuch
"""Answers are sent in lists. An empty list says that the process is ready or still working."""


def serve(source: str, connection: Connection, seconds: float) -> None:
    """Answer each Batch and each Trial: the process's main function.

    `seconds` is the processor time that one rendering may take.
    """
    begin_child()
    _limit_memory()
    try:
        with suppress(EOFError, OSError):
            _answer_all(source, connection, int(seconds) + _SPARE_CPU_SECONDS)
    except MemoryError:
        os._exit(OUT_OF_MEMORY)


def _answer_all(source: str, connection: Connection, seconds: int) -> None:
    server = None
    while connection.poll(_IDLE_SECONDS):
        request = connection.recv()
        if isinstance(request, Trial):
            _limit_time(request.cpu_seconds)
            connection.send(_problem_of(source))
            continue
        server = server or _Server(source, connection, seconds)
        server.answer_all(request)


class _Server:
    def __init__(self, source: str, connection: Connection, seconds: int) -> None:
        from app.data.chat.template_environment import template_of

        self._template = template_of(source)
        self._connection, self._seconds = connection, seconds
        self._unsent: list[Answer] = []
        self._send()  # the parent measures the rendering time from here

    def answer_all(self, batch: Batch) -> None:
        for request in batch.requests:
            answer = self._answer(request)  # may send earlier answers
            self._unsent.append(answer)
            if batch.one_by_one:
                self._send()
        self._send()

    def _answer(self, request: Request) -> Answer:
        renderings: list[Text | Refusal] = []
        first = ""
        for call in request.calls:
            _limit_time(self._seconds)
            text = self._render(request, call)
            if isinstance(text, str):
                if not _is_in_proportion(text, request):
                    return TooMuch(f"makes {len(text):,} characters")
                shared = shared_length(text, first)
                renderings.append(Text(shared, text[shared:]))
                first = first or text
            else:
                renderings.append(text)
            if monotonic() - self._sent > _SECONDS_BETWEEN_SIGNS:
                self._send()
        return renderings

    def _send(self) -> None:
        self._connection.send(self._unsent)
        self._sent, self._unsent = monotonic(), []

    def _render(self, request: Request, call: Call) -> str | Refusal:
        try:
            text: str = self._template.render(
                messages=request.messages[: call.turns], add_generation_prompt=call.prompted,
                **request.options,
            )  # fmt: skip
            return text
        except MemoryError:
            raise
        except Exception as error:  # third-party template code can raise anything
            return Refusal(error_text(error))


def _is_in_proportion(text: str, request: Request) -> bool:
    if len(text) <= _MAX_CHARACTERS:
        return True
    characters = len(repr(request.messages)) + len(repr(request.options))
    return len(text) <= _MAX_CHARACTERS + _MAX_EXPANSION * characters


def shared_length(one: str, other: str) -> int:
    """The length of the common prefix of two texts."""
    if other.startswith(one):
        return len(one)
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if one[:middle] == other[:middle] else (low, middle - 1)
    return low


# -- the limits -----------------------------------------------------------------------------------
def _limit_memory() -> None:
    # Relative to the start, because address spaces differ by a gigabyte between machines.
    if (size := _address_space_bytes()) is not None:
        _limit(resource.RLIMIT_AS, size + MEMORY_BYTES)
    else:
        threading.Thread(target=_watch_memory, daemon=True).start()
    _limit(resource.RLIMIT_CORE, 0)


def _limit_time(seconds: int) -> None:
    """Have the system end the process after this many more seconds of processor time."""
    _limit(resource.RLIMIT_CPU, int(process_time()) + 1 + seconds)


def _limit(limit: int, most: int) -> None:
    with suppress(OSError, ValueError):
        resource.setrlimit(limit, (most, resource.getrlimit(limit)[1]))


def _address_space_bytes() -> int | None:
    """The size of the address space; None without /proc, as on macOS, which has no such limit."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[0])
    except (OSError, ValueError):
        return None
    return pages * resource.getpagesize()


def _watch_memory() -> None:
    """End the process if it takes too much memory. Faster than the parent's check, but it does not
    work within one operation.
    """
    at_start = process_bytes(os.getpid())
    while (process_bytes(os.getpid()) - at_start) < MEMORY_BYTES:
        sleep(0.02)
    os._exit(OUT_OF_MEMORY)


# -- the trial ------------------------------------------------------------------------------------
_USER, _ASSISTANT = {"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}
_SYSTEM = {"role": "system", "content": "Be kind."}
_CHATS = ([_USER], [_USER, _ASSISTANT], [_SYSTEM, _USER, _ASSISTANT, _USER, _ASSISTANT])
_TOOL = {
    "type": "function",
    "function": {"name": "look", "description": "Looks.", "parameters": {"type": "object"}},
}


def _problem_of(source: str) -> str:
    """Why the template can't render chats, as a sentence; "" if the trial succeeds."""
    from jinja2 import TemplateSyntaxError

    from app.data.chat.template_environment import template_of

    try:
        template = template_of(source)
    except TemplateSyntaxError as error:
        words = " ".join(str(error.message).split()).rstrip(".")
        return f"The model's chat template has an error in line {error.lineno}: {words}."
    except RecursionError:
        return "The model's chat template is nested too deeply."
    except (SyntaxError, ValueError) as error:  # in the Python code that Jinja generates
        reason = error.msg if isinstance(error, SyntaxError) else error_text(error)
        return f"The model's chat template can't be compiled: {reason}."
    for chat in _CHATS:
        for prompted in (False, True):
            for tools in (None, [_TOOL]):
                try:
                    text = template.render(
                        messages=[dict(message) for message in chat], tools=tools, documents=None,
                        add_generation_prompt=prompted, bos_token="", eos_token="",
                    )  # fmt: skip
                except MemoryError:
                    raise
                except Exception:  # the template rejects this chat; rejected rows get an issue each
                    continue
                if len(text) > _MAX_WORD_CHARACTERS:
                    return (
                        "The model's chat template renders a chat of a few words as "
                        f"{len(text):,} characters."
                    )
    return ""
