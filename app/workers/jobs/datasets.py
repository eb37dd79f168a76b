"""Jobs of a data process that read, check and tokenize datasets.

They are picklable, and import app.data when they run.
"""

from collections.abc import Generator, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar, cast

from app.core.column_mapping import ColumnMapping, parse_columns
from app.core.errors import InputError
from app.core.progress import scaled_progress, throttled
from app.workers.background_job import ShouldStop

if TYPE_CHECKING:
    from app.core.base_model import ModelLimits
    from app.core.config.optimization import Replies
    from app.data.chat.tokenizer import PlainTokenizer
    from app.data.files.dataset_files import DatasetFiles
    from app.data.inspection.inspection import DatasetFacts
    from app.data.tokens.store_files import TokenStore

SECONDS_BETWEEN_SHARES = 0.1

T = TypeVar("T")


@dataclass(frozen=True)
class DatasetRequest:
    """A dataset to read, with the settings that affect its rows."""

    data: Path
    valid: Path | None = None
    mapping: str | None = None
    """The column mapping in the configuration's format; None for the one remembered for the file.
    """


@dataclass(frozen=True)
class ModelTokenizer:
    """Identifies a base model's tokenizer for a process to load."""

    model: Path
    asked: int = 0
    """A different number loads it again, because the model's folder may have changed."""


@lru_cache(maxsize=1)
def _loaded(tokenizer: ModelTokenizer) -> "PlainTokenizer | None":
    from app.data.chat.tokenizer import plain_tokenizer
    from app.models.tokenizer_without_mlx import load_tokenizer_without_mlx

    wrapper = load_tokenizer_without_mlx(tokenizer.model)
    return None if wrapper is None else plain_tokenizer(wrapper)


def get_tokenizer(tokenizer: ModelTokenizer) -> "PlainTokenizer":
    """The tokenizer, loaded once per process. Raises InputError if it can't be used here."""
    if (plain := _loaded(tokenizer)) is None:
        raise InputError("This model's rows are tokenized when a run starts.")
    return plain


@dataclass(frozen=True)
class LoadTokenizer:
    """Yields the model's ModelLimits, then whether its tokenizer can be used outside of a run."""

    tokenizer: ModelTokenizer

    def __call__(self, _: ShouldStop) -> "Iterator[ModelLimits | bool]":
        from app.models.model_folder import folder_limits

        can_be_used = _loaded(self.tokenizer) is not None
        yield folder_limits(self.tokenizer.model)
        yield can_be_used


@dataclass(frozen=True)
class WarmUp:
    """Yields nothing; imports modules for later jobs."""

    def __call__(self, _: ShouldStop) -> Iterator[None]:
        import app.data.inspection.row_previews
        import app.data.inspection.row_rendering
        import app.library.column_mapping_store  # noqa: F401

        return iter(())


@dataclass(frozen=True)
class InspectedDataset:
    facts: "DatasetFacts"
    mapping: str
    """The column mapping that was used."""


@dataclass(frozen=True)
class InspectDataset:
    """Yields the share done, then an InspectedDataset after all rows are read and checked."""

    reading: DatasetRequest

    def __call__(self, _: ShouldStop) -> Iterator[float | InspectedDataset]:
        from app.data.inspection.inspection import inspect_stream

        data, valid = self.reading.data, self.reading.valid
        columns = columns_for(_train_file(data, valid), self.reading.mapping)
        facts = yield from _visible(inspect_stream(data, valid, columns))
        # LoadHeadRows gives the first examples; here they would only make the message large.
        yield InspectedDataset(replace(facts, preview=()), str(columns or ""))


StoredFiles = tuple[tuple[Path, Path], ...]
"""Pairs of a file and its token store's folder."""


@dataclass(frozen=True)
class StoredDataset:
    """One dataset's files with their token stores."""

    train: StoredFiles
    valid: StoredFiles
    rows: tuple[int, ...]
    """Rows of the training files, and of the validation files, if any."""
    refused: int = 0
    """Valid rows that the model rejects."""


@dataclass(frozen=True)
class TokenizedDatasets:
    """The datasets of a run, with all rows in token stores."""

    sets: tuple[StoredDataset, ...]
    """The main dataset first, then those mixed into it."""
    template_note: str = ""
    """A note about the date that the chat template writes."""


@dataclass(frozen=True)
class TokenizeDatasets:
    """Yields TRYING while the model's chat template is tried, then the share done, then the
    TokenizedDatasets. After closing it early, the next job continues there."""

    readings: tuple[DatasetRequest, ...]
    """The datasets of a run, each with its column mapping."""
    tokenizer: ModelTokenizer
    mask_prompt: bool
    leave_out_bad_rows: bool
    only_if_there: bool = False
    """Build no stores; if one is missing, end without TokenizedDatasets."""
    replies: "Replies" = "every"

    def __call__(self, _: ShouldStop) -> Iterator[str | float | TokenizedDatasets]:
        from app.data.chat.template_environment import check_note
        from app.data.chat.template_trial import TRYING, try_templates
        from app.data.files.dataset_files import find_files
        from app.data.files.fingerprint import HASHING, bytes_to_hash, hash_files
        from app.data.tokenizing.token_store import RowSettings
        from app.data.training_set.training_data import MixedFiles, open_or_build_stores
        from app.models.model_folder import folder_limits

        rows = folder_limits(self.tokenizer.model).embedding_rows
        datasets = [
            MixedFiles(find_files(one.data, one.valid), 0.0, parse_columns(one.mapping or ""))
            for one in self.readings
        ]
        paths = [path for dataset in datasets for path in dataset.files.all_files]
        before = HASHING * bytes_to_hash(paths)
        size = before + sum(path.stat().st_size for path in paths)
        contents = yield from _visible(scaled_progress(hash_files(paths), 0, before, size))
        if not self.only_if_there:
            for _step in try_templates(get_tokenizer(self.tokenizer).chat_template):
                yield TRYING
        tokenizer = get_tokenizer(self.tokenizer)
        settings = RowSettings(self.mask_prompt, None, self.leave_out_bad_rows, rows, self.replies)
        opening = open_or_build_stores(datasets, tokenizer, settings, contents)
        if self.only_if_there:
            stores = _if_nothing_to_do(opening)
        else:
            stores = yield from _visible(scaled_progress(opening, before, size - before, size))
        if stores is not None:
            sets = tuple(_stored_dataset(dataset.files, stores) for dataset in datasets)
            yield TokenizedDatasets(sets, check_note(tokenizer))


def _if_nothing_to_do(work: Generator[float, None, T]) -> T | None:
    try:
        next(work)
    except StopIteration as ended:
        return cast(T, ended.value)
    work.close()
    return None


def _stored_dataset(files: "DatasetFiles", stores: "dict[Path, TokenStore]") -> StoredDataset:
    train, valid = (
        tuple((path, stores[path].folder) for path in paths)
        for paths in (files.train_files, files.valid_files)
    )
    rows = (sum(len(stores[path].rows) for path, _ in part) for part in (train, valid) if part)
    refused = sum(stores[path].refused_count for path in files.all_files)
    return StoredDataset(train, valid, tuple(rows), refused)


def _visible(work: Generator[float, None, T]) -> Generator[float, None, T]:
    """`work` with fewer progress reports."""
    return throttled(work, SECONDS_BETWEEN_SHARES, at_once=True)


def _train_file(data: Path, valid: Path | None) -> Path:
    """The file whose column mapping is remembered; `data` itself if it can't be found."""
    from app.data.files.dataset_files import find_files

    try:
        return find_files(data, valid).train
    except InputError:
        return data


def columns_for(path: Path, written: str | None) -> ColumnMapping | None:
    from app.library.column_mapping_store import remembered_columns

    return remembered_columns(path) if written is None else parse_columns(written)
