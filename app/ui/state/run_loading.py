"""Reads a run and prepares what its plots show, as plain functions for the background thread."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING

from app.core.config.serialization import config_from_manifest
from app.core.config.training_config import TrainingConfig
from app.core.text.sentences import localized

if TYPE_CHECKING:
    from app.core.base_model import BaseModelCheck
    from app.core.events import EvaluationFinished, RetentionMeasured
    from app.library.reading.run_details import RunDetails
    from app.library.reading.starting_adapter import EarlierRun
    from app.library.run.step_table import StepTable
    from app.ui.plots.run_series import RunSeries


@dataclass(frozen=True)
class ReadRun:
    details: "RunDetails"
    series: "RunSeries"
    reading_seconds: float
    """How long it took."""
    base_model: "BaseModelCheck"
    """Its base model as it is now."""
    training_seconds: float = 0.0
    """How long its steps took, with their validations; 0 where that was not recorded."""
    chain: "tuple[EarlierRun, ...]" = ()
    """The runs before it, if it began with an adapter."""


@dataclass(frozen=True)
class RunToResume:
    """A run's settings, and what it had measured up to where it goes on."""

    config: TrainingConfig
    table: "StepTable"
    evaluations: "tuple[EvaluationFinished, ...]"
    retention: "tuple[RetentionMeasured, ...]" = ()


def reading_to_resume(run_dir: Path, checkpoint: str | None) -> Callable[[], RunToResume]:
    """Raises InputError if the run can't go on from there."""

    def work() -> RunToResume:
        from app.library.reading.checkpoint_retention import own_checkpoints
        from app.library.reading.run_details import read_details
        from app.library.run.layout import checkpoint_step
        from app.library.run.manifest import check_settings, read_manifest
        from app.library.run.resumability import require_resumable

        manifest = read_manifest(run_dir)
        check_settings(run_dir, manifest)
        settings = manifest["config"]
        config = config_from_manifest(settings, where=str(run_dir)).checked()
        folders = own_checkpoints(run_dir)
        step = (
            checkpoint_step(Path(checkpoint))
            if checkpoint
            else max(map(checkpoint_step, folders), default=0)
        )
        require_resumable(run_dir, manifest, config.steps, step)
        details = read_details(run_dir)
        return RunToResume(
            config,
            details.table.up_to(step),
            tuple(e for e in details.evaluations if e.step <= step),
            tuple(one for one in details.retention if one.step <= step and not one.is_last),
        )

    return work


def reading(run_dir: Path) -> Callable[[], ReadRun | None]:
    """All of a run, also of a broken one; None if its folder is gone."""
    return lambda: read_run(run_dir) if run_dir.is_dir() else None


def read_run(run_dir: Path) -> ReadRun:
    """All of a run, also of a broken one. For the background thread."""
    from app.data.files.model_files import check_base_model
    from app.library.reading.run_details import read_details
    from app.library.reading.starting_adapter import earlier_runs
    from app.library.run.step_table import empty_table
    from app.ui.plots.run_series import RunSeries

    begun = perf_counter()
    details = read_details(run_dir)
    series = RunSeries(details.started)
    series.add_table(details.table)
    for evaluation in details.evaluations:
        series.add_evaluation(evaluation)
    for measured in details.retention:
        series.add_retention(measured)
    # A long run's steps as they were recorded take more room than all that is drawn of them.
    base_model = check_base_model(details.settings.get("model"), details.facts)
    seconds = float(max(details.table.rows["seconds"], default=0.0))
    log = "\n".join(map(_localized_line, details.log.split("\n")))
    details = replace(details, table=empty_table(), log=log)
    chain = earlier_runs(details.facts)
    return ReadRun(details, series, perf_counter() - begun, base_model, seconds, chain)


def _localized_line(line: str) -> str:
    """A line of the log, behind its time, in the window's language."""
    time, gap, text = line.partition("  ")
    return f"{time}{gap}{localized(text)}"
