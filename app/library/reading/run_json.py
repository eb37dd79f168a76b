"""Runs as JSON values: the documents of `runs --json` and `show --json`."""

from typing import Any

from app.core.events import json_value
from app.library.reading.run_details import RunDetails
from app.library.reading.run_summary import RunSummary
from app.library.run.manifest import TEMPLATE_DAY


def summary_to_json(run: RunSummary) -> dict[str, Any]:
    return {**json_value(run), "may_go_on": run.can_resume}


def details_to_json(details: RunDetails) -> dict[str, Any]:
    """The run's summary and details, without its steps."""
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
            "checkpoints": [json_value(facts) for facts in details.checkpoints],
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
