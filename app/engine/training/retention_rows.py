"""Rows that a model should keep: the user's retention set, and the validation sets of the runs that
this one continues. Opened for the forgetting meter; never trained on here.
"""

from collections.abc import Generator, Mapping
from pathlib import Path

from app.core.config.serialization import config_from_manifest
from app.core.config.training_config import TrainingConfig
from app.core.errors import AppError
from app.core.events import Event, LogMessage, StageChanged
from app.core.files.paths import at_shipped_places
from app.core.text.translation import mark
from app.core.wording.display_names import question_set_name
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
"""Of the rows trained between two measurements: a row is read, but never backwards."""
MIN_ROWS, MIN_EACH = 32, 4
"""The fewest rows of all sets together and of each, at any cost."""
_READING = mark("Reading earlier runs' data")


def open_kept_rows(
    config: TrainingConfig,
    base: BaseModel,
    batching: BatchLayout,
    vocabulary: int,
    saved: Mapping[str, object] | None,
) -> Generator[Event, None, tuple[KeptRows, ...]]:
    """The retention set first, then the runs of the chain, the oldest first.

    `saved` is the manifest of a resumed run. A set that can't be read is left out with a message.
    """
    views: dict[str, TokenView] = {}
    if path := config.retention_set:
        found = yield from open_questions(path, base)
        views[question_set_name(path)] = found.train
    for run in earlier_runs(saved or _started_from(config)):
        if run.run_dir is None:
            yield LogMessage(f"“{run.name}” is not in the library: its validation set is not read.")
            continue
        try:
            view = yield from _validation_rows(run.run_dir, base)
        except AppError as error:
            text = f"The validation set of “{run.name}” is not read: {error.message}"
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
    """Those that the run validated on; None where it held none out."""
    manifest = read_manifest(run_dir)
    config = config_from_manifest(manifest["config"], where=str(run_dir))
    if config.data is None or not (config.validation_split or config.valid):
        return None
    yield StageChanged(_READING)
    settings = data_settings(config, base.limits, early_rows=0)
    opening = open_data_stream(find_files(config.data, config.valid), base.tokenizer, settings)
    found = yield from in_stage(_READING, opening)
    began = at_shipped_places(manifest.get("data"))
    if isinstance(began, Mapping) and any(
        began.get(path, digest) != digest for path, digest in found.fingerprints.items()
    ):
        yield LogMessage(f"The data of {run_dir.name} changed since that run.", is_warning=True)
    return found.valid if len(found.valid) else None


def _free_name(name: str, taken: Mapping[str, object]) -> str:
    numbered = (f"{name} ({number})" for number in range(2, len(taken) + 3))
    return next(one for one in (name, *numbered) if one not in taken)
