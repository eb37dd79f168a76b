"""Which files on disk a dataset is made of. Reads none of them."""

import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from app.core.errors import PUT_BACK, InputError
from app.data.numbered_files import in_order, numbered
from app.data.readers.formats import SPOKEN, bare_name, file_format

TRAIN_NAMES = ("train",)
VALID_NAMES = ("valid", "validation", "val", "dev")
INNER_FOLDER = "data"
"""Where the Hub's datasets have their files, if not beside their card."""
_CHOOSE = f"Choose a file that ends in {SPOKEN}; .gz may follow."
SHOWN_FILES = 4


@dataclass(frozen=True)
class DatasetFiles:
    """The files a dataset is made of; one that is cut into several goes on in `more_train`."""

    train: Path
    valid: Path | None
    more_train: tuple[Path, ...] = ()
    more_valid: tuple[Path, ...] = ()

    @property
    def train_files(self) -> tuple[Path, ...]:
        return (self.train, *self.more_train)

    @property
    def valid_files(self) -> tuple[Path, ...]:
        return (self.valid, *self.more_valid) if self.valid else ()

    @property
    def all_files(self) -> tuple[Path, ...]:
        """Those to train on, then those to validate on."""
        return (*self.train_files, *self.valid_files)


def find_files(data: Path, valid: Path | None = None) -> DatasetFiles:
    """The files behind `data`: a file, or a folder with train files and maybe valid ones.

    `valid`, if given, comes before the folder's own. A test file is left alone. Raises InputError
    for anything else.
    """
    if stat.S_ISDIR(_mode(data)):
        folder = _with_train_files(data)
        train = _named(folder, TRAIN_NAMES)
        if not train:
            raise InputError(
                f"The folder {data.name} has no train.jsonl, nor a train file of another format.",
                "Choose a file, or a folder with train.jsonl and optionally valid.jsonl.",
            )
        validating = [valid] if valid else _named(folder, VALID_NAMES)
    else:
        _check_format(data, "dataset")
        train, validating = [data], [valid] if valid else []
    if valid is not None:
        _check_format(valid, "validation set")
        if any(valid.samefile(path) for path in train):
            raise InputError(
                f"{valid.name} is both the dataset and the validation set.",
                "Choose another file to validate on, or none: a share is then held out.",
            )
    first_valid = validating[0] if validating else None
    return DatasetFiles(train[0], first_valid, tuple(train[1:]), tuple(validating[1:]))


def dataset_name(files: DatasetFiles) -> str:
    """What people call a dataset: its file's name, or that of the folder with the train files."""
    part = numbered(files.train)
    name = part.set_name if part else bare_name(files.train).lower()
    folder = files.train.absolute().parent
    folder = folder.parent if folder.name == INNER_FOLDER else folder
    return folder.name if name in TRAIN_NAMES else files.train.name


def check_distinct(datasets: Sequence[DatasetFiles]) -> None:
    """Raise InputError if a file would be used twice."""
    seen: dict[tuple[int, int], Path] = {}
    for path in (path for files in datasets for path in files.all_files):
        facts = facts_of(path)
        if other := seen.get((facts.st_dev, facts.st_ino)):
            raise InputError(
                f"{path} and {other} are one file: a dataset can't be used twice in a run.",
                "Mix each dataset in once; a larger share takes more of its rows.",
            )
        seen[facts.st_dev, facts.st_ino] = path


def facts_of(path: Path) -> os.stat_result:
    """What the disk says of a file. Raises InputError."""
    try:
        return path.stat()
    except OSError as error:
        raise InputError(f"{path} can't be read: {error.strerror}.") from error


def has_train_file(folder: Path) -> bool:
    """Whether a folder looks like a dataset's."""
    try:
        return _has_train_file(_with_train_files(folder))
    except OSError:
        return False


def _with_train_files(folder: Path) -> Path:
    """The folder itself, or the one inside it where the Hub puts the files."""
    inner = folder / INNER_FOLDER
    try:
        is_inside = inner.is_dir() and not _has_train_file(folder) and _has_train_file(inner)
    except OSError:
        return folder
    return inner if is_inside else folder


def _has_train_file(folder: Path) -> bool:
    return any(_is_named(path, TRAIN_NAMES) for path in folder.iterdir())


def _named(folder: Path, names: tuple[str, ...]) -> list[Path]:
    """The one file of a set, or all that it is cut into, in order; empty where there is none."""
    try:
        found = sorted(path for path in folder.iterdir() if _is_named(path, names))
    except OSError as error:
        raise InputError(f"{folder} can't be read: {error.strerror}.", "Choose another.") from error
    parts = [part for path in found if (part := numbered(path))]
    if len(parts) == len(found) and len({part.kind for part in parts}) == 1:
        return in_order(folder, parts)
    if len(found) > 1:
        several = " and ".join(path.name for path in found[:SHOWN_FILES])
        more = f" and {len(found) - SHOWN_FILES} more" if len(found) > SHOWN_FILES else ""
        raise InputError(
            f"The folder {folder.name} has {several}{more}: which one is meant?",
            "Keep one of them, or choose the file itself.",
        )
    return found


def _is_named(path: Path, names: tuple[str, ...]) -> bool:
    if file_format(path) is None:
        return False
    part = numbered(path)
    name = part.set_name if part else bare_name(path).lower()
    return name in names and stat.S_ISREG(_mode(path))


def _check_format(path: Path, what: str) -> None:
    mode = _mode(path)
    if not mode:
        raise InputError(f"The {what} {path} isn't there: {PUT_BACK}.")
    if stat.S_ISDIR(mode):
        raise InputError(f"The {what} {path} is a folder.", "Choose the file in it.")
    if not stat.S_ISREG(mode):
        raise InputError(f"The {what} {path} is not a file.", "Choose a file.")
    if file_format(path) is None:
        raise InputError(f"{path.name} can't be read as a {what}.", _CHOOSE)


def _mode(path: Path) -> int:
    """What is at `path`, as `stat` tells it; 0 for nothing."""
    try:
        return path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return 0
    except OSError as error:
        raise InputError(f"{path} can't be read: {error.strerror}.", "Choose another.") from error
