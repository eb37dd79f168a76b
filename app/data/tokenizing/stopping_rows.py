"""Rows that are examples and that this model can't take safely: a run that is not to leave them out
stops at the first.
"""

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from app.core.errors import InputError
from app.data.examples import NO_EMBEDDING, ProblemKind, RowProblem
from app.data.tokens.store_files import TokenStore


def stopping_rows(
    stored: Iterable[tuple[Path, TokenStore]],
) -> tuple[RowProblem | None, Counter[ProblemKind]]:
    """The first such row, and how many there are of each kind."""
    first, counts = None, Counter[ProblemKind]()
    for path, store in stored:
        for problem in store.stopping(path):
            first = first or problem
            counts[problem.kind] += 1
    return first, counts


def stopping_refusal(first: RowProblem | None, count: int = 1) -> InputError | None:
    """Why a run does not train on such rows, where it is not to leave them out."""
    if first is None:
        return None
    if first.kind == NO_EMBEDDING:
        which, hint = "hold tokens without an embedding", "Choose the base model that this "
        hint += "tokenizer belongs to, or have such rows left out."
    else:
        which = "take too much time or memory to render"
        hint = "Remove or correct them, fix the template, or have such rows left out."
    rows = "" if count == 1 else f"{count:,} rows {which}; the first is "
    return InputError(f"{rows}{first}.", hint)
