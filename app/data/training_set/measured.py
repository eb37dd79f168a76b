"""What was found out of a dataset's rows, once a model says which of their keys are left out.

Without a model, keys that few templates write are warned of. With one, those of its rows stay whose
keys its template leaves out, and others may come.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from app.data.examples import ProblemKind, RowIssue
from app.data.inspection.inspection import DatasetFacts
from app.data.rows.row_notes import GUESSED


def without_guesses(facts: DatasetFacts) -> DatasetFacts:
    """The same without the warnings that a model's tokens decide."""
    count = facts.counts.get(GUESSED, 0)
    if not count:
        return facts
    warnings = tuple(problem for problem in facts.warnings if problem.kind != GUESSED)
    counts: Mapping[ProblemKind, int] = {k: n for k, n in facts.counts.items() if k != GUESSED}
    return replace(
        facts, warnings=warnings, warning_count=facts.warning_count - count, counts=counts
    )


def with_names(noted: Sequence[RowIssue], facts: DatasetFacts) -> list[RowIssue]:
    """What the model's tokens say of rows, with the keys' names as far as the checks know them."""
    named = {
        (problem.path, problem.place): problem
        for problem in facts.warnings
        if problem.kind == GUESSED
    }
    return [named.get((one.path, one.place), one) if one.kind == GUESSED else one for one in noted]
