"""Writes the run log's notes about the data before the first step."""

from collections.abc import Sequence

import numpy as np

from app.data.row_values import RowIssue
from app.data.rows.row_notes import RowNote, note_line
from app.data.tokens.token_view import TokenView
from app.data.training_set.row_selection import DatasetPart, SelectedRows


def row_notes(used: SelectedRows, limit: int) -> list[str]:
    """Notes about rows that are changed or left out."""
    notes = []
    if used.cut:
        notes.append(f"{_rows(used.cut)} longer than {limit:,} tokens: cut at the end.")
    if used.left_out_count:
        first = next(used.left_out())
        notes.append(f"{_rows(used.left_out_count)} left out; the first: {first}.")
        if len(counts := used.left_out_kinds()) > 1:
            kinds = ", ".join(f"{kind} {n:,}" for kind, n in counts.most_common())
            notes.append(f"Left out by kind: {kinds}.")
    if used.last_reply_only:
        notes.append(
            f"{_rows(used.last_reply_only)} trained on the last reply only: this model's chat "
            "template changes earlier replies when more turns follow."
        )
    if more := used.further_examples:
        chats = used.kept_count - more
        cost = used.tokens / (used.tokens - used.further_tokens)
        notes.append(
            f"{chats:,} rows became {used.kept_count:,} examples, with {cost:.2f} times the "
            "tokens: this model's chat template changes earlier replies when more turns follow, so "
            "each reply is trained as the model sees it at its turn. The setting “replies” "
            "controls this."
        )
    return [*notes, *(note_line(note, count) for note, count in used.notes.items() if count)]


def early_notes(train: TokenView, limit: int, first: RowIssue | None, left_out: int) -> list[str]:
    """`row_notes` for the early rows, before the others are tokenized.

    `left_out` is the number of rows known so far that are not trained on; `first` is one of them.
    """
    notes = []
    if cut := train.cut_count:
        notes.append(f"{_rows(cut)} longer than {limit:,} tokens: cut at the end.")
    counts = {note: int((train.notes & note > 0).sum()) for note in RowNote}
    notes += [note_line(note, count) for note, count in counts.items() if count]
    so_far = [f"{_rows(left_out)} left out so far; the first: {first}."] if left_out else []
    return [*(f"Of these, {note}" for note in notes), *so_far]


def mixing_notes(train: TokenView, names: Sequence[str], seed: int) -> list[str]:
    """A note about each dataset's rows in the first epoch."""
    if (mixing := train.mixing) is None:
        return []
    rows = train.epoch(seed, 0)
    datasets = mixing.dataset_of(rows)
    parts = []
    for dataset, name in enumerate(names):
        of_dataset = rows[datasets == dataset]
        tokens, size = int(train.lengths[of_dataset].sum()), mixing.sizes[dataset]
        passes = f", {len(of_dataset) / size:.1f} times each" if len(of_dataset) > size else ""
        parts.append(
            f"{len(of_dataset):,} rows of {name} ({len(of_dataset) / len(rows):.1%}), "
            f"which has {size:,}{passes}: {tokens:,} tokens"
        )
    return ["The first epoch takes " + "; ".join(parts) + "."]


def validation_notes(
    train: SelectedRows, valid: SelectedRows, parts: Sequence[DatasetPart], is_held_out: bool
) -> list[str]:
    """Notes about problems of the validation; `is_held_out` says that the seed splits the rows."""
    if not valid.kept_count:
        return ["No validation row can be used, so there is no validation."] * valid.is_wanted
    notes = [
        f"No row of {part.name} is left to validate on, so its own loss is not measured."
        for part in parts
        if not len(part.valid)
    ]
    if is_held_out:  # the split keeps equal rows on one side
        return notes
    if count := int(np.isin(train.kept_digests, valid.kept_digests).sum()):
        rows = "1 row" if count == 1 else f"{count:,} rows"
        notes.append(
            f"{rows} to train on {'is' if count == 1 else 'are'} in the validation set too, so its "
            "loss looks better than it is."
        )
    return notes


def _rows(count: int) -> str:
    return "1 row is" if count == 1 else f"{count:,} rows are"
