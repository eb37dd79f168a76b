"""Reads everything in a run's folder: settings, measurements, checkpoints and log.

Everything readable is read; a damaged folder raises no error.
"""

import math
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from app.core.config.serialization import config_from_manifest, to_toml, unparsed_toml
from app.core.config.training_config import TrainingConfig
from app.core.errors import AppError, InputError
from app.core.events import EvaluationFinished, RetentionMeasured, RunStarted
from app.core.files.untrusted_files import open_regular
from app.core.text.sanitize import single_line
from app.core.text.translation import tr
from app.core.wording.results import Answers, answers_by_set
from app.library.reading.checkpoint_retention import lost_best
from app.library.reading.checkpoints import CheckpointFacts, list_checkpoints
from app.library.reading.event_log import (
    read_evaluations,
    read_last_validation,
    read_retention,
    read_started,
)
from app.library.reading.run_summary import MAX_PROBLEM, RunSummary, summarize
from app.library.run.layout import LOG_FILE
from app.library.run.manifest import read_manifest, read_scores
from app.library.run.metrics import read_event_log, read_steps
from app.library.run.step_table import StepTable

LOG_BYTES = 200_000
"""The size of the log's end that is shown."""


@dataclass(frozen=True)
class RunDetails:
    summary: RunSummary
    settings: dict[str, Any]
    """The configuration as it is in the manifest."""
    config: TrainingConfig | None
    """The same; None if this version of Nestling does not understand it."""
    config_problem: str
    started: RunStarted
    table: StepTable
    evaluations: tuple[EvaluationFinished, ...]
    """The points of the curve, each on the same rows."""
    checkpoints: tuple[CheckpointFacts, ...]
    log: str
    message: str
    """The sentence with which the run ended."""
    facts: dict[str, Any] = field(default_factory=dict)
    """The manifest's other entries: data, versions, numbers of examples, scores."""
    log_problem: str = ""
    """The problem of the event log: changed or missing lines."""
    retention: tuple[RetentionMeasured, ...] = ()
    """The model's distance from its base along the run; the last one at its end."""
    last_validation: EvaluationFinished | None = None
    """The validation at the run's end, on more rows than the others."""

    @property
    def answers(self) -> list[Answers]:
        """The answers to the question sets that were asked after training."""
        return answers_by_set(read_scores(self.facts))

    @property
    def problem(self) -> str:
        """The problem of the folder in plain words; empty if there is none."""
        config_problem = self.config_problem if self.summary.is_whole else ""
        parts = (config_problem, self.summary.problem, self.log_problem)
        return " ".join(part for part in parts if part)

    def resume_blocker_at(self, step: int) -> str:
        """The reason why the run can't resume from its checkpoint of `step`; empty if it can."""
        problem = "" if self.config is not None else self.config_problem
        return self.summary.resume_blocker_at(step) or problem

    @property
    def resume_blocker(self) -> str:
        """The reason why it can't resume from its last checkpoint; empty if it can."""
        last = next((facts for facts in self.checkpoints if facts.is_last), None)
        damage = ""
        if last is not None and last.problem:
            damage = tr(
                "Its last checkpoint, of step {step:,}, is damaged: {problem}",
                step=last.step, problem=last.problem,
            )  # fmt: skip
        if damage and len(self.checkpoints) > 1:
            damage += " " + tr("You can resume from an earlier one.")
        return self.summary.resume_blocker or self.resume_blocker_at(self.summary.steps) or damage

    @property
    def base_loss_below_all(self) -> float | None:
        """The base model's validation loss, if no existing checkpoint has a lower one."""
        base = next((e.val_loss for e in self.evaluations if e.step == 0), math.nan)
        measured = [c.val_loss for c in self.checkpoints if c.val_loss is not None]
        return base if measured and all(base <= loss for loss in measured) else None


def read_details(run_dir: Path) -> RunDetails:
    table = read_steps(run_dir)
    summary = summarize(run_dir, len(table))
    manifest = _manifest(run_dir)
    settings = manifest.pop("config", {})
    config, problem = _config(settings, run_dir)
    events = read_event_log(run_dir)
    evaluations = tuple(read_evaluations(events.events))
    return RunDetails(
        summary=summary,
        settings=settings,
        config=config,
        config_problem=problem,
        started=read_started(events.events, summary, table),
        table=table,
        evaluations=evaluations,
        checkpoints=tuple(list_checkpoints(run_dir, table, events)),
        log=_log(run_dir),
        message=_message(manifest),
        facts=manifest,
        log_problem=events.problem or lost_best(manifest, events),
        retention=tuple(read_retention(events.events)),
        last_validation=read_last_validation(events.events),
    )


def settings_toml(details: RunDetails) -> str:
    """The run's settings as TOML; invalid ones are copied unchanged from its manifest.

    Raises InputError if there are none.
    """
    if details.config is not None:
        return to_toml(details.config)
    if not details.settings:
        raise InputError(details.summary.problem or f"{details.summary.run_dir} has no settings.")
    return unparsed_toml(details.settings, details.config_problem)


def _message(manifest: dict[str, Any]) -> str:
    message = manifest.get("message", "")
    return single_line(message, MAX_PROBLEM) if isinstance(message, str) else ""


def _manifest(run_dir: Path) -> dict[str, Any]:
    try:
        return read_manifest(run_dir)
    except AppError:
        return {}


def _config(settings: dict[str, Any], run_dir: Path) -> tuple[TrainingConfig | None, str]:
    if not settings:
        return None, ""
    try:
        return config_from_manifest(settings, where=str(run_dir)).checked(), ""
    except AppError as error:
        return None, single_line(str(error), MAX_PROBLEM)


def _log(run_dir: Path) -> str:
    """The log's end, from the first complete line on."""
    try:
        with open_regular(run_dir / LOG_FILE) as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - LOG_BYTES))
            text = file.read(LOG_BYTES).decode("utf-8", errors="replace")
    except OSError:
        return ""
    return text if size <= LOG_BYTES else text.partition("\n")[2]
