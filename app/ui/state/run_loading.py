"""Reads runs and prepares the data of their plots, as plain functions for the background thread."""

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
    """The time that reading took."""
    base_model: "BaseModelCheck"
    """The current state of its base model."""
    training_seconds: float = 0.0
    """The time of its steps, including validation; 0 if it was not recorded."""
    chain: "tuple[EarlierRun, ...]" = ()
    """The runs that it continues."""


@dataclass(frozen=True)
class RunToResume:
    """A run's settings, and its measurements up to the step from which it resumes."""

    config: TrainingConfig
    table: "StepTable"
    evaluations: "tuple[EvaluationFinished, ...]"
    retention: "tuple[RetentionMeasured, ...]" = ()


def reading_to_resume(run_dir: Path, checkpoint: str | None) -> Callable[[], RunToResume]:
    """A function that reads a run to resume. It raises InputError if the run can't be resumed from
    there.
    """

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
    """A function that reads a run, even a damaged one; it returns None if the folder is gone."""
    return lambda: read_run(run_dir) if run_dir.is_dir() else None


def read_run(run_dir: Path) -> ReadRun:
    """Read a run, even a damaged one. For the background thread."""
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
    # Drop the table: a long run's records need more memory than everything that the plots draw.
    base_model = check_base_model(details.settings.get("model"), details.facts)
    seconds = float(max(details.table.rows["seconds"], default=0.0))
    log = "\n".join(map(_localized_line, details.log.split("\n")))
    details = replace(details, table=empty_table(), log=log)
    chain = earlier_runs(details.facts)
    return ReadRun(details, series, perf_counter() - begun, base_model, seconds, chain)


def _localized_line(line: str) -> str:
    """A line of the log with its text, but not its time, in the language of the window."""
    time, gap, text = line.partition("  ")
    return f"{time}{gap}{localized(text)}"
