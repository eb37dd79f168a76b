"""Finds the files of a dataset. Reads none of them."""

import os
import stat
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from app.core.errors import PUT_BACK, InputError
from app.core.files.data_formats import FORMAT_LIST, file_format
from app.data.files.dataset_folders import (
    INNER_FOLDER,
    TRAIN_NAMES,
    files_in,
    parse_shard,
    set_name,
)  # fmt: skip

_CHOOSE = f"Nestling reads {FORMAT_LIST} files, also compressed ones (.gz)."


@dataclass(frozen=True)
class DatasetFiles:
    """The files of a dataset, each of one or more shards."""

    train_files: tuple[Path, ...]
    valid_files: tuple[Path, ...] = ()

    @property
    def train(self) -> Path:
        return self.train_files[0]

    @property
    def all_files(self) -> tuple[Path, ...]:
        """The training files, then the validation files."""
        return (*self.train_files, *self.valid_files)


def find_files(data: Path, valid: Path | None = None) -> DatasetFiles:
    """The files of `data`: a file, or a folder with train files and optionally valid files.

    `valid` takes precedence over the folder's valid files. Test files are ignored. Raises
    InputError for anything else.
    """
    if stat.S_ISDIR(_mode(data)):
        train, inside = files_in(data)
        validating = [valid] if valid else inside
    else:
        _check_format(data, "dataset")
        train, validating = [data], [valid] if valid else []
    if valid is not None:
        _check_format(valid, "validation set")
        if any(valid.samefile(path) for path in train):
            raise InputError(
                f"{valid.name} is both the dataset and the validation set.",
                "Choose another file to validate on, or none to use a validation split.",
            )
    return DatasetFiles(tuple(train), tuple(validating))


def dataset_name(files: DatasetFiles) -> str:
    """The dataset's display name: its file's name, or that of the folder with the train files."""
    name, folder = set_name(files.train), files.train.absolute().parent
    is_saved = file_format(files.train) == "arrow" or (not name and folder.name in TRAIN_NAMES)
    is_numbered_set = parse_shard(files.train) and name.startswith(TRAIN_NAMES)
    if not (is_saved or is_numbered_set or name in TRAIN_NAMES):
        return files.train.name
    is_inner = folder.name == INNER_FOLDER or (is_saved and folder.name in TRAIN_NAMES)
    return folder.parent.name if is_inner else folder.name


def distinct_names(paths: Collection[Path]) -> dict[Path, str]:
    """The display name of each file; it includes the folder if another file has the same name."""
    counts = Counter(path.name for path in set(paths))
    return {
        path: f"{path.absolute().parent.name}/{path.name}" if counts[path.name] > 1 else path.name
        for path in paths
    }


def check_distinct(datasets: Sequence[DatasetFiles]) -> None:
    """Raise InputError if a file would be used twice."""
    seen: dict[tuple[int, int], Path] = {}
    for path in (path for files in datasets for path in files.all_files):
        facts = file_stat(path)
        if other := seen.get((facts.st_dev, facts.st_ino)):
            raise InputError(
                f"{path} and {other} are the same file: a dataset can't be used twice in a run.",
                "Mix each dataset in once; a larger share takes more of its rows.",
            )
        seen[facts.st_dev, facts.st_ino] = path


def file_stat(path: Path) -> os.stat_result:
    """The file's `stat` result. Raises InputError."""
    try:
        return path.stat()
    except OSError as error:
        raise InputError(f"{path} can't be read: {error.strerror}.") from error


def _check_format(path: Path, noun: str) -> None:
    mode = _mode(path)
    if not mode:
        raise InputError(f"The {noun} {path} isn't there: {PUT_BACK}.")
    if stat.S_ISDIR(mode):
        raise InputError(f"The {noun} {path} is a folder.", "Choose the file in it.")
    if not stat.S_ISREG(mode):
        raise InputError(f"The {noun} {path} is not a file.", "Choose a file.")
    if file_format(path) is None:
        raise InputError(f"{path.name} can't be read as a {noun}.", _CHOOSE)


def _mode(path: Path) -> int:
    """The mode of `path`; 0 if it does not exist."""
    try:
        return path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return 0
    except OSError as error:
        raise InputError(f"{path} can't be read: {error.strerror}.", "Choose another.") from error
