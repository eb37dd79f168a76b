"""Work that the app does in small steps, done at once."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from app.core.column_mapping import ColumnMapping
from app.core.generation_events import CheckpointRef
from app.core.progress import drain
from app.data.chat.tokenizer import Tokenizer
from app.data.files.dataset_files import DatasetFiles
from app.data.inspection.inspection import DatasetFacts, inspect_with_rows
from app.data.training_set.training_data import (
    DataSettings,
    MixedFiles,
    TrainingData,
    open_data_stream,
)
from app.library.reading.run_store import export_checkpoint_in_steps

if TYPE_CHECKING:
    from app.engine.generation.adapted_model import TunedModel


def inspect(
    data: Path, valid: Path | None = None, columns: ColumnMapping | None = None
) -> DatasetFacts:
    return drain(inspect_with_rows(data, valid, columns))[0]


def open_data(
    files: DatasetFiles,
    tokenizer: Tokenizer,
    settings: DataSettings,
    mixed: Sequence[MixedFiles] = (),
) -> TrainingData:
    return drain(open_data_stream(files, tokenizer, settings, mixed))


def export_checkpoint(adapter_dir: Path, destination: Path) -> Path:
    return drain(export_checkpoint_in_steps(adapter_dir, destination))


def load_tuned_model(tried: CheckpointRef) -> "TunedModel":
    from app.engine.generation.adapted_model import loading_tuned_model

    return drain(loading_tuned_model(tried))
