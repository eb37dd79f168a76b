"""Opens the row sets of the forgetting meter: the user's retention set, and the validation sets of
the runs that this run continues. They are never trained on.
"""

from collections.abc import Generator, Mapping
from pathlib import Path

from app.core.config.serialization import config_from_manifest
from app.core.config.training_config import TrainingConfig
from app.core.errors import AppError
from app.core.events import Event, LogMessage, StageChanged
from app.core.files.data_formats import question_set_name
from app.core.files.paths import at_shipped_places
from app.core.text.translation import mark
from app.data.files.dataset_files import find_files
from app.data.tokens.token_view import TokenView, tokens_digest
from app.data.training_set.training_data import open_data_stream
from app.engine.evaluation.forgetting_meter import KeptRows
from app.engine.evaluation.question_sets import open_questions
from app.engine.evaluation.validation_sample import first_of_draw
from app.engine.execution.batch_layout import BatchLayout
from app.engine.model.loading import BaseModel
from app.engine.runtime.stopping import in_stage
from app.engine.training.dataset_opening import data_settings
from app.library.reading.starting_adapter import STARTED_FROM, earlier_runs, starting_adapter
from app.library.run.manifest import read_manifest

SHARE = 0.04
"""Rows read per row trained between two measurements. Reading a row takes no backward pass."""
MIN_ROWS, MIN_EACH = 32, 4
"""The fewest rows of all sets together and of each set, whatever they cost."""
_READING = mark("Reading earlier runs' data")


def open_kept_rows(
    config: TrainingConfig,
    base: BaseModel,
    batching: BatchLayout,
    vocabulary: int,
    saved: Mapping[str, object] | None,
) -> Generator[Event, None, tuple[KeptRows, ...]]:
    """The retention set, then the validation sets of the earlier runs, oldest first.

    `saved` is the manifest of a resumed run. An earlier run's set that can't be read is skipped
    with a log message; an unreadable retention set raises AppError.
    """
    views: dict[str, TokenView] = {}
    if path := config.retention_set:
        opened = yield from open_questions(path, base)
        views[question_set_name(path)] = opened.train
    for run in earlier_runs(saved or _started_from(config)):
        if run.step is None:  # an adapter from elsewhere
            continue
        if run.run_dir is None:
            yield LogMessage(f"“{run.name}” is not in the library: its validation set is skipped.")
            continue
        try:
            view = yield from _validation_rows(run.run_dir, base)
        except AppError as error:
            text = f"The validation set of “{run.name}” is skipped: {error.message}"
            yield LogMessage(text, is_warning=True)
            continue
        if view is not None:
            views[_free_name(run.name, views)] = view
    between = config.steps_per_eval * config.batch_size * config.grad_accumulation_steps
    rows = max(MIN_ROWS, round(SHARE * between)) // max(1, len(views))
    samples = {
        name: first_of_draw(view, max(MIN_EACH, rows), seed=0) for name, view in views.items()
    }
    return tuple(
        KeptRows(name, batching.batches(view, vocabulary), tokens_digest(view))
        for name, view in samples.items()
    )


def _started_from(config: TrainingConfig) -> Mapping[str, object]:
    return {STARTED_FROM: starting_adapter(config.adapter).data()} if config.adapter else {}


def _validation_rows(run_dir: Path, base: BaseModel) -> Generator[Event, None, TokenView | None]:
    """The run's validation rows; None if it had none."""
    manifest = read_manifest(run_dir)
    config = config_from_manifest(manifest["config"], where=str(run_dir))
    if config.data is None or not (config.validation_split or config.valid):
        return None
    yield StageChanged(_READING)
    settings = data_settings(config, base.limits, early_rows=0)
    opening = open_data_stream(find_files(config.data, config.valid), base.tokenizer, settings)
    rows = yield from in_stage(_READING, opening)
    began = at_shipped_places(manifest.get("data"))
    if isinstance(began, Mapping) and any(
        began.get(path, digest) != digest for path, digest in rows.fingerprints.items()
    ):
        yield LogMessage(f"The data of {run_dir.name} changed since that run.", is_warning=True)
    return rows.valid if len(rows.valid) else None


def _free_name(name: str, taken: Mapping[str, object]) -> str:
    numbered = (f"{name} ({number})" for number in range(2, len(taken) + 3))
    return next(one for one in (name, *numbered) if one not in taken)
