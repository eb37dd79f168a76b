"""A run's measurements as a table for spreadsheets: one row a step, and one before the first."""

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from app.core.files import write_atomic
from app.core.regular_files import SHARED_FILE
from app.library.run_details import RunDetails

_WHOLE = ("step", "trained_tokens", "peak_memory_bytes", "void")
_MEASURED = ("seconds", "loss", "learning_rate", "gradient_norm", "tokens_per_second")
_VALIDATION = len(_WHOLE) + len(_MEASURED)
"""The column of the validation loss."""


def export_csv(details: RunDetails, path: Path) -> Path:
    """Write every step's numbers; those that are none are left empty. Raises AppError."""
    write_atomic(path, lambda aside: _write(details, aside), mode=SHARED_FILE)
    return path


def _write(details: RunDetails, path: Path) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(_heading(details))
        rows.writerows(_rows(details))


def _heading(details: RunDetails) -> list[str]:
    tiers = range(details.table.tiers)
    of_tiers = (f"tier_{t}_{what}" for t in tiers for what in ("fired", "delta", "drift"))
    of_layers = (f"layer_{index}_delta" for index in details.started.adapted_layers)
    return [*_WHOLE, *_MEASURED, "validation_loss", *of_tiers, *of_layers]


def _rows(details: RunDetails) -> Iterator[list[Any]]:
    table, rows = details.table, details.table.rows
    losses = {evaluation.step: evaluation.val_loss for evaluation in details.evaluations}
    if 0 in losses:  # of the base model; nothing else was measured before the first step
        empty = [""] * len(_heading(details))
        yield [0, *empty[1:_VALIDATION], losses[0], *empty[_VALIDATION + 1 :]]
    for index, row in enumerate(rows):
        told: list[Any] = [int(row[name]) for name in _WHOLE]
        told += [_number(row[name]) for name in _MEASURED]
        told.append(losses.get(int(row["step"]), ""))
        for tier in range(table.tiers):
            told.append(int(row["fired"]) >> tier & 1)
            told += [_number(row["deltas"][tier]), _number(row["drifts"][tier])]
        told += [_number(value) for value in table.layer_deltas(index, index + 1)[0]]
        yield told


def _number(value: Any) -> str:
    """The shortest text that reads back as the same 32-bit number."""
    return str(value) if value - value == 0 else ""
