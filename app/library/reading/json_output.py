"""Runs as plain values for programs: what `--json` prints."""

import math
from dataclasses import asdict
from pathlib import Path
from typing import Any

from app.library.reading.checkpoints import CheckpointFacts
from app.library.reading.run_details import RunDetails
from app.library.reading.run_summary import RunSummary
from app.library.run.manifest import TEMPLATE_DAY


def summary_to_json(run: RunSummary) -> dict[str, Any]:
    return {name: _plain(value) for name, value in asdict(run).items()} | {
        "may_go_on": run.can_resume
    }


def details_to_json(details: RunDetails) -> dict[str, Any]:
    """The row of the run, and everything else but the steps themselves."""
    return (
        summary_to_json(details.summary)
        | {
            "message": details.message,
            "config": details.settings,
            "config_problem": details.config_problem,
            "tiers": [_plain(asdict(tier)) for tier in details.started.tiers],
            "evaluations": [
                {"step": e.step, "val_loss": e.val_loss, "is_best": e.is_best}
                for e in details.evaluations
            ],
            "last_validation": (last := details.last_validation)
            and {"step": last.step, "val_loss": last.val_loss, "rows": last.rows},
            "retention": [_plain(asdict(measured)) for measured in details.retention],
            "clocks": _plain(asdict(details.started.clocks)),
            "checkpoints": [checkpoint_to_json(facts) for facts in details.checkpoints],
            "recorded_steps": len(details.table),
            "log_problem": details.log_problem,
        }
        | {
            name: details.facts.get(name)
            for name in ("scores", "versions", "data", "base_model", "started_from", TEMPLATE_DAY)
        }
    )


def checkpoint_to_json(facts: CheckpointFacts) -> dict[str, Any]:
    return {name: _plain(value) for name, value in asdict(facts).items()}


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, Path):
        return str(value)
    return value.isoformat() if hasattr(value, "isoformat") else value
