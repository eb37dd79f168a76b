"""Rows that are examples and that this model can't take safely: a run that is not to leave them out
stops at the first.
"""

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from app.core.errors import InputError
from app.data.examples import (
    NO_EMBEDDING,
    REFUSED_BY_TEMPLATE,
    TOO_COSTLY,
    ProblemKind,
    RowIssue,
)
from app.data.tokens.store_files import TokenStore

_WORDS: dict[ProblemKind, tuple[str, str]] = {
    REFUSED_BY_TEMPLATE: (
        "are refused by the model's chat template",
        "Correct or remove such rows, choose another base model, or start a run with invalid rows "
        "left out.",
    ),
    NO_EMBEDDING: (
        "hold tokens without an embedding",
        "Choose the base model that this tokenizer belongs to, or start a run with invalid rows "
        "left out.",
    ),
    TOO_COSTLY: (
        "take too much time or memory to render",
        "Correct or remove such rows, fix the template, or start a run with invalid rows left out.",
    ),
}
"""What is wrong with several rows of a kind, and what to do."""


def count_stopping_issues(
    stored: Iterable[tuple[Path, TokenStore]],
) -> tuple[RowIssue | None, Counter[ProblemKind]]:
    """The first such row, and how many there are of each kind."""
    first, counts = None, Counter[ProblemKind]()
    for path, store in stored:
        for problem in store.stopping(path):
            first = first or problem
            counts[problem.kind] += 1
    return first, counts


def stopping_error(first: RowIssue | None, count: int = 1) -> InputError | None:
    """Why a run does not train on such rows, where it is not to leave them out."""
    if first is None:
        return None
    which, hint = _WORDS[first.kind]
    rows = "" if count == 1 else f"{count:,} rows {which}; the first is "
    return InputError(f"{rows}{first}.", hint)
