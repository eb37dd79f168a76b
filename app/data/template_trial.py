"""A model's chat template tried on chats of a few words, in a process that can be ended.

A template is a foreign program: it may be broken, never end or take all memory, and no thread that
renders it could be stopped. Whether it does is found here before anything else renders it. The
process imports neither transformers nor MLX, so that it is there at once.
"""

import json
import multiprocessing
import os
import resource
import signal
import threading
from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from time import monotonic, sleep
from typing import Any

from app.core.error_text import error_text
from app.core.progress import run_to_end

CPU_SECONDS = 5
"""Templates take milliseconds."""
_MEMORY_BYTES = 2**30
_MOST_CHARACTERS = 10**6
_MOST_SECONDS = 60.0
"""By the clock, where a processor's time can't be limited or is not to be had."""
_SECONDS_BETWEEN_LOOKS = 0.05
_OUT_OF_MEMORY = 3
"""Exit code of a process that saw itself take too much."""

_problems: dict[str, str] = {}
"""Of each template that was tried; empty for a good one."""


def trying_templates(templates: object) -> Generator[None, None, str]:
    """Why a tokenizer's `chat_template` can't be used, a sentence; empty if it can.

    Yields while that isn't known yet; closing it ends the process. Each template is tried once.
    """
    for source in _sources(templates):
        if source not in _problems:
            _problems[source] = yield from _trying(source)
    return known_problem(templates)


def template_problem(templates: object) -> str:
    """The same, waited for."""
    return run_to_end(trying_templates(templates))


def known_problem(templates: object) -> str:
    """The same of templates that were tried, here or where `take_problem` has it from."""
    return next((why for one in _sources(templates) if (why := _problems.get(one))), "")


def take_problem(templates: object, problem: str) -> None:
    """What another process found out."""
    _problems.update(dict.fromkeys(_sources(templates), problem))


def _sources(templates: object) -> list[str]:
    """A tokenizer has one template, several by name, or none; one that is a function is no text."""
    found = templates.values() if isinstance(templates, dict) else [templates]
    return [source for source in found if isinstance(source, str)]


def _trying(source: str) -> Generator[None, None, str]:
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe(duplex=False)
    process = context.Process(
        target=_render_samples, args=(source, there, CPU_SECONDS), daemon=True
    )
    process.start()
    there.close()
    try:
        ends = monotonic() + _MOST_SECONDS
        while not here.poll(_SECONDS_BETWEEN_LOOKS):
            if monotonic() > ends:
                return _too_long()
            yield
        return _heard(here, process)
    finally:
        process.kill()
        process.join()
        here.close()


def _heard(connection: Connection, process: BaseProcess) -> str:
    try:
        return str(connection.recv())
    except (EOFError, OSError):
        process.join()
    if process.exitcode == _OUT_OF_MEMORY:
        return "The model's chat template takes more than 1 GB of memory for a chat of a few words."
    if process.exitcode in (-signal.SIGXCPU, -signal.SIGKILL):
        return _too_long()
    return (
        "The model's chat template can't be tried: the process for it ended with exit code "
        f"{process.exitcode}."
    )


def _too_long() -> str:
    return (
        f"The model's chat template takes longer than {CPU_SECONDS} seconds for a chat of a few "
        "words."
    )


# -- in the process -------------------------------------------------------------------------------
_USER, _ASSISTANT = {"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}
_SYSTEM = {"role": "system", "content": "Be kind."}
_CHATS = ([_USER], [_USER, _ASSISTANT], [_SYSTEM, _USER, _ASSISTANT, _USER, _ASSISTANT])
_TOOL = {
    "type": "function",
    "function": {"name": "look", "description": "Looks.", "parameters": {"type": "object"}},
}


def _render_samples(source: str, connection: Connection, cpu_seconds: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides
    _limit_itself(cpu_seconds)
    try:
        problem = _problem_of(source)
    except MemoryError:
        os._exit(_OUT_OF_MEMORY)
    with suppress(OSError):
        connection.send(problem)


def _limit_itself(cpu_seconds: int) -> None:
    used = resource.getrusage(resource.RUSAGE_SELF)
    limits = {
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_CPU: int(used.ru_utime + used.ru_stime) + 1 + cpu_seconds,
    }
    # Beyond the process's own start: its address space differs by a gigabyte between machines.
    if (size := _address_space_bytes()) is not None:
        limits[resource.RLIMIT_AS] = size + _MEMORY_BYTES
    else:
        threading.Thread(target=_watch_memory, args=(used.ru_maxrss,), daemon=True).start()
    for limit, most in limits.items():
        with suppress(OSError, ValueError):
            resource.setrlimit(limit, (most, most))


def _address_space_bytes() -> int | None:
    """None where there is no /proc, as on macOS, which also ignores a limit of it."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[0])
    except (OSError, ValueError):
        return None
    return pages * resource.getpagesize()


def _watch_memory(at_start: int) -> None:
    """End the process once its peak, in the system's unit, is too far above the one at its start.

    That one can be the parent's: a process inherits the peak of the one that it was forked from.
    """
    unit = 1 if os.uname().sysname == "Darwin" else 1024
    while (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - at_start) * unit < _MEMORY_BYTES:
        sleep(0.02)
    os._exit(_OUT_OF_MEMORY)


def _problem_of(source: str) -> str:
    from jinja2 import TemplateSyntaxError

    try:
        template = _environment().from_string(source)
    except TemplateSyntaxError as error:
        words = " ".join(str(error.message).split()).rstrip(".")
        return f"The model's chat template has an error in line {error.lineno}: {words}."
    except RecursionError:
        return "The model's chat template is nested too deeply."
    except (SyntaxError, ValueError) as error:  # of the Python code that Jinja makes of it
        what = error.msg if isinstance(error, SyntaxError) else error_text(error)
        return f"The model's chat template can't be compiled: {what}."
    for chat in _CHATS:
        for prompted in (False, True):
            for tools in (None, [_TOOL]):
                with _own_refusals():
                    text = template.render(
                        messages=[dict(message) for message in chat], tools=tools, documents=None,
                        add_generation_prompt=prompted, bos_token="", eos_token="",
                    )  # fmt: skip
                    if len(text) > _MOST_CHARACTERS:
                        return (
                            f"The model's chat template makes {len(text):,} characters of a chat "
                            "of a few words."
                        )
    return ""


@contextmanager
def _own_refusals() -> Iterator[None]:
    """A template may refuse a chat: that is said of the rows it refuses."""
    try:
        yield
    except MemoryError:
        raise
    except Exception:
        pass


def _environment() -> Any:
    """What transformers renders templates in, as far as it decides whether one ends."""
    from jinja2 import ext, nodes
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    class Generation(ext.Extension):
        """The tag that marks what an assistant says."""

        tags = {"generation"}  # noqa: RUF012

        def parse(self, parser: Any) -> list[nodes.Node]:
            next(parser.stream)
            body: list[nodes.Node] = parser.parse_statements(("name:endgeneration",), True)
            return body

    def refuse(message: object) -> None:
        raise ValueError(str(message))

    def to_json(value: Any, **options: Any) -> str:
        return json.dumps(value, **({"ensure_ascii": False} | options))

    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[Generation, ext.loopcontrols]
    )
    environment.filters["tojson"] = to_json
    environment.globals["raise_exception"] = refuse
    environment.globals["strftime_now"] = lambda form: datetime.now().strftime(form)
    return environment
