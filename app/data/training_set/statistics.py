"""Computes statistics of a dataset's token stores, split as in a run, for any length limit."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from operator import mul
from pathlib import Path

import numpy as np
import numpy.typing as npt

from app.data.row_values import KEPT_ISSUES, IssueKind, RowIssue
from app.data.rows.bad_rows import count_by_kind
from app.data.rows.row_notes import KINDS, MODEL_NOTES, note_reason
from app.data.tokens.mixture_sampling import Mixing
from app.data.tokens.store_files import TokenStore
from app.data.tokens.tokenized_examples import TokenRows, are_further_examples, place_of
from app.data.training_set.length_distribution import LengthDistribution

Stored = tuple[Path, TokenStore]
"""A file of a dataset with its store."""


@dataclass(frozen=True)
class DataStatistics:
    train: LengthDistribution
    valid: LengthDistribution
    refused: tuple[RowIssue, ...]
    """The first 1000 examples that can't be used with the model, with the reasons."""
    refused_count: int
    unusable_count: int
    """Rows that are not tokenized: rejected by the model, or invalid and skipped."""
    first_stopping: RowIssue | None = None
    """The first rejected row that stops a run unless invalid rows are skipped."""
    stopping_counts: Counter[IssueKind] = field(default_factory=Counter)
    first_unusable: RowIssue | None = None
    """The first row of the training files that is not tokenized."""
    further: LengthDistribution = field(default_factory=lambda: LengthDistribution.of([]))
    """The examples of `train` beyond the first of each chat."""
    noted: tuple[RowIssue, ...] = ()
    """The first 1000 notes of the model's template and tokenizer about rows that are trained on."""
    noted_counts: Counter[IssueKind] = field(default_factory=Counter)

    @property
    def stopping_count(self) -> int:
        """Rows that stop a run unless invalid rows are skipped."""
        return self.unusable_count - self.refused_count + self.stopping_counts.total()

    @property
    def has_rows(self) -> bool:
        """Whether any row was tokenized."""
        return bool(self.train.rows or self.valid.rows)

    def further_cost(self, limit: int) -> float:
        """All examples' tokens, relative to those of the chats' first examples."""
        tokens = self.train.usable_tokens(limit)
        return tokens / max(1, tokens - self.further.usable_tokens(limit))

    def longer_than(self, length: int | None, limit: int) -> int:
        """Usable rows that are longer than `length` after truncation at the limit."""
        return sum(
            curves.usable_rows_longer_than(length or limit, limit)
            for curves in (self.train, self.valid)
        )

    def left_out(self, limit: int) -> int:
        """Rows used neither for training nor for validation."""
        return (
            self.unusable_count
            + self.train.untrainable_rows(limit)
            + self.valid.untrainable_rows(limit)
        )


@dataclass(frozen=True)
class EpochFacts:
    """The rows and tokens of an epoch."""

    rows: tuple[int, ...]
    """Rows of each dataset; some may repeat."""
    tokens: float
    """The expected number of tokens."""
    trained_tokens: float

    def batches(self, batch_size: int) -> int:
        return -(-sum(self.rows) // batch_size)

    def steps(self, batch_size: int, grad_accumulation_steps: int) -> int:
        return -(-self.batches(batch_size) // grad_accumulation_steps)


def epoch_facts(
    statistics: Sequence[DataStatistics], shares: Sequence[float], limit: int
) -> EpochFacts | None:
    """The rows and tokens of an epoch; `shares` are the shares of all datasets except the first.

    None if a dataset has no usable row, or if the shares leave nothing for the first dataset.
    """
    curves = [one.train for one in statistics]
    kept = [one.usable_rows(limit) for one in curves]
    if not all(kept) or sum(shares) >= 1:
        return None
    rows_per_dataset = Mixing.from_fractions(kept, shares).rows_per_dataset
    passes = [rows / size for rows, size in zip(rows_per_dataset, kept, strict=True)]
    return EpochFacts(
        rows_per_dataset,
        sum(map(mul, passes, (one.usable_tokens(limit) for one in curves))),
        sum(map(mul, passes, (one.trained_tokens_at(limit) for one in curves))),
    )


def data_statistics(
    train: Sequence[Stored], valid: Sequence[Stored], holdout: Sequence[npt.NDArray[np.bool_]]
) -> DataStatistics:
    """Statistics of the stores. `holdout` has one mask per training file, [rows], True for
    validation rows; it is all False if there are validation files.
    """
    rows = [store.rows for _, store in train]
    kept = [(part, np.flatnonzero(~mask)) for part, mask in zip(rows, holdout, strict=True)]
    out = [(part, np.flatnonzero(mask)) for part, mask in zip(rows, holdout, strict=True)]
    out += [(store.rows, np.arange(len(store.rows))) for _, store in valid]
    both = (*train, *valid)
    first, stopping = count_by_kind(issue for path, store in both for issue in store.stopping(path))
    refused = (problem for path, store in both for problem in store.refused(path))
    noted = (problem for path, store in both for problem in noted_rows(path, store.rows))
    return DataStatistics(
        train=LengthDistribution.of(kept),
        valid=LengthDistribution.of(out),
        refused=tuple(islice(refused, KEPT_ISSUES)),
        refused_count=sum(store.refused_count for _, store in both),
        unusable_count=sum(store.problem_count for _, store in both),
        first_stopping=first,
        stopping_counts=stopping,
        first_unusable=next((one for path, store in train for one in store.problems(path)), None),
        further=LengthDistribution.of(
            [(part, chosen[are_further_examples(part.places[chosen])]) for part, chosen in kept]
        ),
        noted=tuple(islice(noted, KEPT_ISSUES)),
        noted_counts=sum((_noted_counts(store.rows) for _, store in both), Counter()),
    )


def noted_rows(path: Path, rows: TokenRows) -> Iterator[RowIssue]:
    """Yield a warning for each of the model's notes about a row."""
    for row in np.flatnonzero(rows.notes & sum(MODEL_NOTES)).tolist():
        for note in MODEL_NOTES:
            if rows.notes[row] & note:
                place = place_of(rows, row)
                yield RowIssue(path, place, note_reason(note), KINDS[note], is_warning=True)


def _noted_counts(rows: TokenRows) -> Counter[IssueKind]:
    counts = {KINDS[note]: int((rows.notes & note > 0).sum()) for note in MODEL_NOTES}
    return +Counter(counts)


def too_long(stored: Sequence[Stored], limit: int) -> tuple[RowIssue, ...]:
    """The first 1000 rows longer than the limit."""
    issues: list[RowIssue] = []
    for path, store in stored:
        rows = store.rows
        for row in np.flatnonzero(rows.lengths > limit)[: KEPT_ISSUES - len(issues)].tolist():
            issues.append(long_row_issue(path, rows, row, limit))
    return tuple(issues)


def long_row_issue(path: Path, rows: TokenRows, row: int, limit: int) -> RowIssue:
    """The issue of a truncated row; a warning if a target remains."""
    has_target = int(rows.spans[rows.span_starts[row], 0]) < limit
    reason = f"its {int(rows.lengths[row]):,} tokens are cut at {limit:,}"
    reason += "" if has_target else ", before anything to train on"
    return RowIssue(path, place_of(rows, row), reason, "too long", is_warning=has_target)
