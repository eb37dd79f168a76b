"""Builds the token stores of a dataset in another process while a run trains.

The process has a low priority. It ends with its parent or when the run no longer needs it;
unfinished stores are kept for the next time.
"""

from collections.abc import Generator
from functools import partial

from app.core.errors import AppError, RunError
from app.core.system.work_process import WorkProcess
from app.data.chat.template_trial import known_problem, set_known_problem
from app.data.training_set.training_data import LaterRows, MixedFiles, open_or_build_stores

_NICENESS = 10
_LOST = RunError(
    "The process that tokenizes the other rows ended before it was done.",
    "Resume the run: the finished part is kept. If it happens again, memory may be short.",
)


def store_process(later: LaterRows) -> WorkProcess[None]:
    """The process, not started yet. All its errors are RunErrors."""
    problem = known_problem(later.tokenizer.chat_template)
    return WorkProcess(partial(_build, later, problem), _LOST, _NICENESS)


def _build(later: LaterRows, problem: str) -> Generator[float, None, None]:
    set_known_problem(later.tokenizer.chat_template, problem)
    datasets = [MixedFiles(later.files, 1.0, later.settings.rows.columns)]
    try:
        yield from open_or_build_stores(
            datasets, later.tokenizer, later.settings.rows, later.contents
        )
    except AppError as error:
        raise RunError(error.message, error.hint) from error
