"""Forecasts the shapes of a run's batches from rows that are already tokenized.

Does not run the model, so that it is fast enough while settings are edited.
"""

from dataclasses import dataclass, replace
from pathlib import Path

from app.core.config.training_config import TrainingConfig
from app.core.errors import RunError
from app.data.tokens.store_files import TokenStore, reopen_store
from app.data.training_set.training_data import MixedFiles, rows_from_stores
from app.engine.batches.batches import BatchShape
from app.engine.evaluation.validation_sample import validation_sets
from app.engine.execution.batch_layout import default_layout
from app.engine.training.dataset_opening import data_settings
from app.models.model_folder import folder_limits


@dataclass(frozen=True)
class StoredRows:
    """The datasets of a run whose rows are in token stores."""

    datasets: tuple[MixedFiles, ...]
    """The main dataset first, then those mixed in; the configuration decides their shares."""
    folders: tuple[tuple[Path, Path], ...]
    """Pairs of a dataset file and its store's folder."""


@dataclass(frozen=True)
class LikelyShapes:
    shapes: tuple[BatchShape, ...]
    is_bound: bool
    """Whether the shapes are an upper bound: with sequence packing, which only a run can verify,
    they would need less memory."""


def likely_shapes(
    config: TrainingConfig, stored: StoredRows, was_packed: bool | None
) -> LikelyShapes:
    """The batch shapes of a run of `config`.

    `was_packed` says whether the last run on this model packed sequences; None if unknown. Raises
    InputError if the run would, and RunError if a token store is missing or damaged.
    """
    stores = {path: _opened(folder) for path, folder in stored.folders}
    shares = (1.0, *(mixed.share for mixed in config.mix))
    datasets = [
        replace(one, share=share) for one, share in zip(stored.datasets, shares, strict=True)
    ]
    rows = rows_from_stores(datasets, stores, data_settings(config, folder_limits(config.model)))
    fastest = default_layout(config.batch_size)
    batching = fastest if was_packed else replace(fastest, is_packed=False)
    valid = validation_sets(config, rows, batching)
    sets = [batches for one in valid for batches in (one.batches, one.last_batches)]
    shapes = [*batching.training(rows).shapes, *(shape for one in sets for shape in one.shapes)]
    is_open = fastest.is_packed and was_packed is None
    return LikelyShapes(tuple(shape.micro_batch for shape in shapes), is_bound=is_open)


def _opened(folder: Path) -> TokenStore:
    if (store := reopen_store(folder)) is None:
        raise RunError("The tokenized rows are missing or damaged.")
    return store
