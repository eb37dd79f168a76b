"""Opens the rows of a run, with notes on them for its log."""

import sys
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date

from app.core.base_model import ModelLimits
from app.core.column_mapping import parse_columns
from app.core.config.training_config import TrainingConfig
from app.core.events import Event, LogMessage, StageChanged
from app.core.system.work_process import WorkProcess
from app.core.text.translation import mark
from app.data.chat.template_environment import asks_for_the_date
from app.data.files.dataset_files import DatasetFiles
from app.data.tokenizing.token_store import RowSettings
from app.data.tokens.token_view import TokenView, tokens_digest
from app.data.training_set.first_rows_opening import open_early_data
from app.data.training_set.first_rows_reading import FirstRows, first_rows_process, may_begin_early
from app.data.training_set.training_data import (
    DataSettings,
    MixedFiles,
    TrainingData,
    open_data_stream,
)
from app.data.training_set.validation_split import EARLY_ROWS
from app.engine.evaluation.validation_sample import SampleSizes
from app.engine.execution.batch_layout import default_validation_share, saved_layout
from app.engine.model.loading import BaseModel
from app.engine.runtime.distributed import is_alone
from app.engine.runtime.mlx_runtime import has_mlx_lm
from app.engine.runtime.named_arrays import TokenizerWrapper
from app.engine.runtime.stopping import in_stage
from app.library.run.manifest import TEMPLATE_DAY


def sampling_of(saved: Mapping[str, object] | None) -> tuple[int, float]:
    """Two sizes, for a new run or for the resumed run with the manifest `saved`: about how many
    rows the first epoch begins with, and how many rows validations read per trained row."""
    if saved is None:
        return EARLY_ROWS, default_validation_share()
    layout = saved_layout(saved)
    return layout.early_rows, layout.validation_share


def data_settings(
    config: TrainingConfig, limits: ModelLimits, early_rows: int = EARLY_ROWS
) -> DataSettings:
    leave_out = config.bad_rows == "skip"
    columns = parse_columns(config.columns)
    return DataSettings(
        RowSettings(config.mask_prompt, columns, leave_out, limits.embedding_rows, config.replies),
        limits.row_limit(config.max_seq_length),
        config.batch_size,
        config.validation_split,
        config.seed,
        limits.context_tokens,
        early_rows,
    )


@contextmanager
def reading_ahead(
    config: TrainingConfig,
    files: DatasetFiles,
    mixed: Sequence[MixedFiles],
    early_rows: int,
    validation_share: float,
) -> Iterator[WorkProcess[FirstRows] | None]:
    """While this process imports mlx-lm, which takes a second or more, another process reads the
    dataset; None if no such process runs."""
    settings, rows_to_begin = (
        data_settings(config, ModelLimits(), early_rows),
        _rows_to_begin(config, validation_share),
    )
    is_idle = has_mlx_lm() or mixed or not is_alone()
    if is_idle or not may_begin_early(files, settings, rows_to_begin):
        yield None
        return
    process = first_rows_process(files, settings, rows_to_begin)
    try:
        process.start()
    except OSError:  # too many processes; this process then reads the dataset
        yield None
        return
    try:
        yield process
    finally:
        process.close()


def open_rows(
    config: TrainingConfig,
    files: DatasetFiles,
    mixed: Sequence[MixedFiles],
    base: BaseModel,
    settings: DataSettings,
    validation_share: float,
    ahead: WorkProcess[FirstRows] | None = None,
) -> Generator[Event, None, TrainingData]:
    """Read and tokenize the rows; `ahead` is the process that already reads the dataset."""
    yield StageChanged(mark("Reading the dataset"))
    if not mixed and is_alone():
        rows_to_begin = _rows_to_begin(config, validation_share)
        opening_early = open_early_data(files, base.tokenizer, settings, rows_to_begin, ahead)
        if rows := (yield from in_stage(mark("Reading the dataset"), opening_early)):
            return rows
    opening = open_data_stream(files, base.tokenizer, settings, mixed)
    return (yield from in_stage(mark("Tokenizing"), opening))


def _rows_to_begin(config: TrainingConfig, validation_share: float) -> int:
    """The number of validation rows that a run begins with."""
    return SampleSizes.of(config, sys.maxsize, validation_share).early


def setup_notes(
    config: TrainingConfig, base: BaseModel, rows: TrainingData, end_note: str
) -> Iterator[LogMessage]:
    """Log messages on the rows, on the model's length limit and on its stop token."""
    if rows.later is None:
        yield from row_notes(base, rows)
    else:
        yield LogMessage(
            f"The run begins with {len(rows.train):,} rows from all parts of the dataset and "
            "tokenizes the others while it trains."
        )
        for note in rows.notes:
            yield LogMessage(note)
    if note := base.limits.cap_sentence(config.max_seq_length):
        yield LogMessage(note)
    if end_note:
        yield LogMessage(end_note, is_warning=True)


def row_notes(base: BaseModel, rows: TrainingData) -> Iterator[LogMessage]:
    for note in rows.notes:
        yield LogMessage(note)
    if note := base.limits.beyond_sentence(rows.beyond_context):
        yield LogMessage(note)


def rows_digest(rows: TrainingData) -> str:
    """Digest of the early rows' tokens, or of all tokens if there are no early rows."""
    if not len(rows.early):
        return tokens_digest(rows.train, rows.valid)
    return tokens_digest(rows.train.part(rows.early))


def longest_row(rows: TrainingData, settings: DataSettings) -> int:
    """Tokens of the longest row, or the length limit if the first epoch begins with early rows.

    A probe then has the same result whether or not the other rows are tokenized.
    """
    if len(rows.early):
        return settings.max_seq_length
    views: list[TokenView] = [rows.train, *(part.valid for part in rows.parts)]
    return max(int(view.lengths.max()) for view in views if len(view))


def template_day(tokenizer: TokenizerWrapper, saved: Mapping[str, object] | None) -> date | None:
    """Today for a new run; for a resumed run, the day on which it began.

    None if the template uses no date.
    """
    if not asks_for_the_date(tokenizer):
        return None
    try:
        return date.today() if saved is None else date.fromisoformat(str(saved[TEMPLATE_DAY]))
    except (KeyError, ValueError):  # an edited manifest; the digest of the tokens detects a change
        return date.today()
