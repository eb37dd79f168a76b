"""Tries a model's chat template on short chats before it renders anything else.

A template is untrusted code: it may be broken, run forever or take all memory. Each template is
tried once; the same process renders the chats afterwards.
"""

import signal
from collections.abc import Generator

from app.core.progress import drain
from app.core.text.translation import mark
from app.data.chat.template_process import TAKES_ALL_MEMORY, ProcessEnded, template_process
from app.data.chat.template_server import OUT_OF_MEMORY, Trial

TRYING = mark("Trying the chat template")
"""Name of the stage."""
CPU_SECONDS = 5
"""Limit of processor time for the trial; a working template needs milliseconds."""
_MAX_SECONDS = 60.0
"""Wall-clock limit, for systems without a limit of processor time."""

_problems: dict[str, str] = {}
"""Template → its problem; "" if it works."""


def try_templates(templates: object) -> Generator[None, None, str]:
    """Why a tokenizer's `chat_template` can't be used, as a sentence; "" if it can.

    Yields while it waits; closing it ends the process. Each template is tried once.
    """
    for source in _sources(templates):
        if source not in _problems:
            _problems[source] = yield from _try(source)
    return known_problem(templates)


def template_problem(templates: object) -> str:
    """`try_templates`, without yielding."""
    return drain(try_templates(templates))


def known_problem(templates: object) -> str:
    """The problem of templates that were tried here or passed to `set_known_problem`; else ""."""
    return next((why for one in _sources(templates) if (why := _problems.get(one))), "")


def set_known_problem(templates: object, problem: str) -> None:
    """Record the result of a trial in another process."""
    _problems.update(dict.fromkeys(_sources(templates), problem))


def _sources(templates: object) -> list[str]:
    """The sources of a tokenizer's templates: one, several by name, or none for a function."""
    sources = templates.values() if isinstance(templates, dict) else [templates]
    return [source for source in sources if isinstance(source, str)]


def _try(source: str) -> Generator[None, None, str]:
    process = template_process(source)
    try:
        problem: str = yield from process.try_template(Trial(CPU_SECONDS), _MAX_SECONDS)
    except TimeoutError:
        return _too_long()
    except ProcessEnded as ended:
        return _problem_of_end(ended.args[0])
    if problem:
        process.close()
    return problem


def _problem_of_end(exit_code: int | None) -> str:
    if exit_code == OUT_OF_MEMORY:
        return f"The model's chat template {TAKES_ALL_MEMORY} for a chat of a few words."
    if exit_code in (-signal.SIGXCPU, -signal.SIGKILL):
        return _too_long()
    return (
        "The model's chat template can't be tried: the process for it ended with exit code "
        f"{exit_code}."
    )


def _too_long() -> str:
    return (
        f"The model's chat template takes longer than {CPU_SECONDS} seconds for a chat of a few "
        "words."
    )
