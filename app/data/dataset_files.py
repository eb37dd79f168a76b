"""Which files on disk a dataset is made of. Reads none of them."""

import stat
from dataclasses import dataclass
from pathlib import Path

from app.core.errors import InputError
from app.data.readers.formats import SPOKEN, bare_name, file_format

TRAIN_NAMES = ("train",)
VALID_NAMES = ("valid", "validation", "val", "dev")
_CHOOSE = f"Choose a file that ends in {SPOKEN}; .gz may follow."


@dataclass(frozen=True)
class DatasetFiles:
    """The files a dataset is made of."""

    train: Path
    valid: Path | None


def find_files(data: Path, valid: Path | None = None) -> DatasetFiles:
    """The files behind `data`: a file, or a folder with one named train and maybe one named valid.

    `valid`, if given, comes before the folder's own. A test file is left alone. Raises InputError
    for anything else.
    """
    if stat.S_ISDIR(_mode(data)):
        train = _named(data, TRAIN_NAMES)
        if train is None:
            raise InputError(
                f"The folder {data.name} has no train.jsonl, nor a train file of another format.",
                "Choose a file, or a folder with train.jsonl and optionally valid.jsonl.",
            )
        found = DatasetFiles(train, valid or _named(data, VALID_NAMES))
    else:
        _check_format(data, "dataset")
        found = DatasetFiles(data, valid)
    if valid is not None:
        _check_format(valid, "validation set")
        if valid.samefile(found.train):
            raise InputError(
                f"{valid.name} is both the dataset and the validation set.",
                "Choose another file to validate on, or none: a share is then held out.",
            )
    return found


def has_train_file(folder: Path) -> bool:
    """Whether a folder looks like a dataset's."""
    try:
        return any(_is_named(path, TRAIN_NAMES) for path in folder.iterdir())
    except OSError:
        return False


def _named(folder: Path, names: tuple[str, ...]) -> Path | None:
    try:
        found = sorted(path for path in folder.iterdir() if _is_named(path, names))
    except OSError as error:
        raise InputError(f"{folder} can't be read: {error.strerror}.", "Choose another.") from error
    if len(found) > 1:
        several = " and ".join(path.name for path in found)
        raise InputError(
            f"The folder {folder.name} has {several}: which one is meant?",
            "Keep one of them, or choose the file itself.",
        )
    return found[0] if found else None


def _is_named(path: Path, names: tuple[str, ...]) -> bool:
    is_ours = file_format(path) is not None and bare_name(path).lower() in names
    return is_ours and stat.S_ISREG(_mode(path))


def _check_format(path: Path, what: str) -> None:
    mode = _mode(path)
    if not mode:
        raise InputError(f"The {what} {path} does not exist.", "Choose another file.")
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
