"""Exports runs: as JSON values, for `--json`, and their measurements as CSV, one row for each step
and one before the first.
"""

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from app.core.events import RetentionMeasured, json_value
from app.core.files.atomic_files import write_atomic
from app.core.files.untrusted_files import SHARED_FILE
from app.library.reading.checkpoints import CheckpointFacts
from app.library.reading.run_details import RunDetails
from app.library.reading.run_summary import RunSummary
from app.library.run.manifest import TEMPLATE_DAY

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
    kept = ["retention_kl"] if details.retention else []
    kept += [f"kept_loss {name}" for name in _kept_names(details)]
    pulls = (f"tier_{tier}_pull" for tier in tiers)
    clocks = [*pulls, "lesson_kl"] if details.table.has_clocks else []
    return [*_WHOLE, *_MEASURED, "validation_loss", *kept, *of_tiers, *clocks, *of_layers]


def _rows(details: RunDetails) -> Iterator[list[Any]]:
    table, rows = details.table, details.table.rows
    losses = {evaluation.step: evaluation.val_loss for evaluation in details.evaluations}
    kept = {point.step: point.base_kl for point in details.retention if not point.is_last}
    names = _kept_names(details)
    each = {
        point.step: _kept_losses(point, names) for point in details.retention if not point.is_last
    }
    if 0 in losses or 0 in kept:  # nothing else was measured before the first step
        first: list[Any] = [0, *[""] * (len(_heading(details)) - 1)]
        first[_VALIDATION] = losses.get(0, "")
        if details.retention:
            first[_VALIDATION + 1] = kept.get(0, "")
            first[_VALIDATION + 2 : _VALIDATION + 2 + len(names)] = each.get(0, [""] * len(names))
        yield first
    for index, row in enumerate(rows):
        cells: list[Any] = [int(row[name]) for name in _WHOLE]
        cells += [_number(row[name]) for name in _MEASURED]
        cells.append(losses.get(int(row["step"]), ""))
        if details.retention:
            cells.append(kept.get(int(row["step"]), ""))
            cells += each.get(int(row["step"]), [""] * len(names))
        for tier in range(table.tiers):
            cells.append(int(row["fired"]) >> tier & 1)
            cells += [_number(row["deltas"][tier]), _number(row["drifts"][tier])]
        if table.has_clocks:
            cells += [*map(_number, row["pulls"]), _number(row["base_kl"])]
        cells += [_number(value) for value in table.layer_deltas(index, index + 1)[0]]
        yield cells


def _kept_names(details: RunDetails) -> list[str]:
    """Of the rows that the forgetting meter reads beside its own texts."""
    return list(dict.fromkeys(loss.name for point in details.retention for loss in point.kept))


def _kept_losses(point: RetentionMeasured, names: list[str]) -> list[float | str]:
    losses = {loss.name: loss.val_loss for loss in point.kept}
    return [losses.get(name, "") for name in names]


def _number(value: Any) -> str:
    """The shortest text that reads back as the same 32-bit number."""
    return str(value) if value - value == 0 else ""


def summary_to_json(run: RunSummary) -> dict[str, Any]:
    return {**json_value(run), "may_go_on": run.can_resume}


def details_to_json(details: RunDetails) -> dict[str, Any]:
    """The row of the run, and everything else but the steps themselves."""
    return (
        summary_to_json(details.summary)
        | {
            "message": details.message,
            "config": details.settings,
            "config_problem": details.config_problem,
            "tiers": [json_value(tier) for tier in details.started.tiers],
            "evaluations": [
                {"step": e.step, "val_loss": e.val_loss, "is_best": e.is_best}
                | ({"forgetting": e.forgetting} if e.forgetting else {})
                for e in details.evaluations
            ],
            "last_validation": (last := details.last_validation)
            and {"step": last.step, "val_loss": last.val_loss, "rows": last.rows},
            "retention": [json_value(measured) for measured in details.retention],
            "clocks": json_value(details.started.clocks),
            "checkpoints": [checkpoint_to_json(facts) for facts in details.checkpoints],
            "recorded_steps": len(details.table),
            "log_problem": details.log_problem,
        }
        | {
            name: details.facts.get(name)
            for name in (
                "scores",
                "versions",
                "data",
                "base_model",
                "started_from",
                "interpolated",
                TEMPLATE_DAY,
            )
        }
    )


def checkpoint_to_json(facts: CheckpointFacts) -> dict[str, Any]:
    return dict(json_value(facts))
