"""Exports a run's measurements as CSV: one row for each step and one before the first."""

import csv
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from app.core.errors import InputError
from app.core.files.atomic_files import write_atomic
from app.core.files.untrusted_files import SHARED_FILE
from app.library.reading.run_details import RunDetails

_WHOLE = ("step", "trained_tokens", "peak_memory_bytes", "void")
_MEASURED = ("seconds", "loss", "learning_rate", "gradient_norm", "tokens_per_second")


def export_csv(details: RunDetails, path: Path) -> Path:
    """Write every step's numbers; NaN is left empty. Raises AppError, also if the run's folder is
    gone."""
    if not details.summary.run_dir.is_dir():
        raise InputError(details.summary.problem)
    write_atomic(path, lambda aside: _write(details, aside), mode=SHARED_FILE)
    return path


def _write(details: RunDetails, path: Path) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        rows = csv.DictWriter(file, _heading(details))
        rows.writeheader()
        rows.writerows(_rows(details))


def _heading(details: RunDetails) -> list[str]:
    tiers = range(details.table.tiers)
    of_tiers = (f"tier_{t}_{measure}" for t in tiers for measure in ("fired", "delta", "drift"))
    kept = dict.fromkeys(loss.name for point in details.retention for loss in point.kept)
    retention = ["retention_kl"] if details.retention else []
    retention += [f"kept_loss {name}" for name in kept]
    pulls = (f"tier_{tier}_pull" for tier in tiers)
    clocks = [*pulls, "lesson_kl"] if details.table.has_clocks else []
    layers = _layer_names(details)
    return [*_WHOLE, *_MEASURED, "validation_loss", *retention, *of_tiers, *clocks, *layers]


def _layer_names(details: RunDetails) -> list[str]:
    return [f"layer_{index}_delta" for index in details.started.adapted_layers]


def _rows(details: RunDetails) -> Iterator[dict[str, Any]]:
    """The rows by column; values that a step did not measure are left out."""
    table, layers = details.table, _layer_names(details)
    measured: defaultdict[int, dict[str, Any]] = defaultdict(dict)
    for evaluation in details.evaluations:
        measured[evaluation.step]["validation_loss"] = evaluation.val_loss
    for point in details.retention:
        if not point.is_last:
            kept = ((loss.name, loss.val_loss) for loss in point.kept)
            losses = {f"kept_loss {name}": loss for name, loss in kept}
            measured[point.step] |= {"retention_kl": point.base_kl} | losses
    if 0 in measured:  # nothing else was measured before the first step
        yield {"step": 0} | measured[0]
    for index, row in enumerate(table.rows):
        cells: dict[str, Any] = {name: int(row[name]) for name in _WHOLE}
        cells |= {name: _number(row[name]) for name in _MEASURED}
        for tier in range(table.tiers):
            cells[f"tier_{tier}_fired"] = int(row["fired"]) >> tier & 1
            cells[f"tier_{tier}_delta"] = _number(row["deltas"][tier])
            cells[f"tier_{tier}_drift"] = _number(row["drifts"][tier])
            if table.has_clocks:
                cells[f"tier_{tier}_pull"] = _number(row["pulls"][tier])
        if table.has_clocks:
            cells["lesson_kl"] = _number(row["base_kl"])
        deltas = table.layer_deltas(index, index + 1)[0]
        cells |= zip(layers, map(_number, deltas), strict=True)
        yield cells | measured.get(cells["step"], {})


def _number(value: Any) -> str:
    """The shortest text that reads back as the same 32-bit number."""
    return str(value) if value - value == 0 else ""
