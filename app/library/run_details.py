"""Everything a run's folder tells: settings, measurements, checkpoints, log, and what is missing.

Whatever can be read is read; nothing here raises for a folder that is broken.
"""

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from app.core.config import TrainingConfig
from app.core.config_text import with_settings
from app.core.errors import AppError
from app.core.events import DatasetLoss, EvaluationFinished, RunStarted, TierFacts
from app.library.checkpoint_list import CheckpointFacts, list_checkpoints
from app.library.claim import LOG_FILE
from app.library.metrics import STEPS_FILE, read_events, read_steps
from app.library.run import read_manifest
from app.library.run_summary import RunSummary, summarise
from app.library.step_records import StepTable

LOG_BYTES = 200_000
"""As much of the log's end is shown."""


@dataclass(frozen=True)
class RunDetails:
    summary: RunSummary
    settings: dict[str, Any]
    """The configuration as the manifest holds it."""
    config: TrainingConfig | None
    """The same, if this Nestling understands it."""
    config_problem: str
    started: RunStarted
    table: StepTable
    evaluations: tuple[EvaluationFinished, ...]
    checkpoints: tuple[CheckpointFacts, ...]
    log: str
    message: str
    """How the run ended, in its own words."""
    facts: dict[str, Any] = field(default_factory=dict)
    """The manifest's other entries: data, versions, numbers of examples, scores."""
    lost_steps: int = 0
    """Steps the manifest knows of and whose measurements can't be read."""

    @property
    def problem(self) -> str:
        """What is wrong with the folder, in plain words; empty if nothing is."""
        parts = (self.summary.problem or self.config_problem, self._lost())
        return " ".join(part for part in parts if part)

    def _lost(self) -> str:
        steps = self.summary.steps
        if not self.lost_steps:
            return ""
        if self.lost_steps == steps:
            return f"Its measurements can't be read: {STEPS_FILE} is missing or damaged."
        return f"The measurements of {self.lost_steps:,} of its {steps:,} steps are damaged."


def read_details(run_dir: Path) -> RunDetails:
    summary = summarise(run_dir)
    manifest = _manifest(run_dir)
    settings = manifest.pop("config", {})
    config, problem = _config(settings, run_dir)
    events = read_events(run_dir)
    table = read_steps(run_dir)
    started = _started(events, summary, table)
    evaluations = tuple(e for event in events if (e := _evaluation(event)) is not None)
    return RunDetails(
        summary=summary,
        settings=settings,
        config=config,
        config_problem=problem,
        started=started,
        table=table,
        evaluations=evaluations,
        checkpoints=tuple(list_checkpoints(run_dir, table, evaluations)),
        log=_log(run_dir),
        message=str(manifest.get("message", "")),
        facts=manifest,
        lost_steps=max(0, summary.steps - len(table)),
    )


def _manifest(run_dir: Path) -> dict[str, Any]:
    try:
        return read_manifest(run_dir)
    except AppError:
        return {}


def _config(settings: dict[str, Any], run_dir: Path) -> tuple[TrainingConfig | None, str]:
    if not settings:
        return None, ""
    try:
        return with_settings(TrainingConfig(), settings, where=str(run_dir)).checked(), ""
    except AppError as error:
        return None, str(error)


def _started(events: list[dict[str, Any]], summary: RunSummary, table: StepTable) -> RunStarted:
    for event in events:
        if event["event"] == "run_started":
            try:
                return _as_started(event)
            except (KeyError, TypeError, ValueError):
                break
    tiers = tuple(TierFacts(period, 1.0, 0, (), "") for period in summary.periods)
    layers = tuple(range(table.rows.dtype["layer_codes"].shape[0]))
    return RunStarted(
        summary.run_dir, summary.name, summary.model, max(1, summary.planned_steps), 0, 0,
        tiers, layers, 0, 0, 0, "",
    )  # fmt: skip


def _as_started(event: dict[str, Any]) -> RunStarted:
    values = {key: value for key, value in event.items() if key != "event"}
    tiers = tuple(
        TierFacts(**{**tier, "layers": tuple(map(int, tier["layers"]))}) for tier in event["tiers"]
    )
    changes = {
        "run_dir": Path(event["run_dir"]),
        "tiers": tiers,
        "adapted_layers": tuple(map(int, event["adapted_layers"])),
        "steps": int(event["steps"]),
    }
    return RunStarted(**values | changes)


def _evaluation(event: dict[str, Any]) -> EvaluationFinished | None:
    step, loss = event.get("step"), event.get("val_loss")
    if event["event"] != "evaluation_finished" or type(step) is not int:
        return None
    if not isinstance(loss, int | float):
        return None
    return EvaluationFinished(step, float(loss), bool(event.get("is_best")), _of_each(event))


def _of_each(event: dict[str, Any]) -> tuple[DatasetLoss, ...]:
    """The losses of several datasets; those that can't be read are left out."""
    told = event.get("datasets")
    return tuple(
        DatasetLoss(str(one.get("name")), float(one["val_loss"]))
        for one in (told if isinstance(told, list) else [])
        if isinstance(one, dict) and isinstance(one.get("val_loss"), int | float)
    )


def _log(run_dir: Path) -> str:
    """The log's end, from the first whole line on."""
    try:
        with (run_dir / LOG_FILE).open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - LOG_BYTES))
            text = file.read().decode("utf-8", errors="replace")
    except OSError:
        return ""
    return text if size <= LOG_BYTES else text.partition("\n")[2]
