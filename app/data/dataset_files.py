"""Which files on disk a dataset is made of. Reads none of them."""

import stat
from dataclasses import dataclass
from pathlib import Path

from app.core.errors import InputError


@dataclass(frozen=True)
class DatasetFiles:
    """The files a dataset is made of."""

    train: Path
    valid: Path | None


def find_files(data: Path, valid: Path | None = None) -> DatasetFiles:
    """The files behind `data`: a .jsonl file, or a folder with train.jsonl [valid.jsonl].

    `valid`, if given, comes before the folder's own. Raises InputError for anything else.
    """
    if stat.S_ISDIR(_mode(data)):
        train = data / "train.jsonl"
        if not stat.S_ISREG(_mode(train)):
            raise InputError(
                f"The folder {data.name} has no train.jsonl.",
                "Choose a .jsonl file, or a folder with train.jsonl and optionally valid.jsonl.",
            )
        beside = data / "valid.jsonl"
        found = DatasetFiles(train, valid or (beside if stat.S_ISREG(_mode(beside)) else None))
    else:
        _check_is_jsonl(data, "dataset")
        found = DatasetFiles(data, valid)
    if valid is not None:
        _check_is_jsonl(valid, "validation set")
        if valid.samefile(found.train):
            raise InputError(
                f"{valid.name} is both the dataset and the validation set.",
                "Choose another file to validate on, or none: a share is then held out.",
            )
    return found


def _check_is_jsonl(path: Path, what: str) -> None:
    mode = _mode(path)
    if not mode:
        raise InputError(f"The {what} {path} does not exist.", "Choose a .jsonl file.")
    if stat.S_ISDIR(mode):
        raise InputError(f"The {what} {path} is a folder.", "Choose the .jsonl file in it.")
    if not stat.S_ISREG(mode):
        raise InputError(f"The {what} {path} is not a file.", "Choose a .jsonl file.")
    if path.suffix.lower() != ".jsonl":
        raise InputError(
            f"{path.name} can't be read as a {what}: only .jsonl files can.",
            "Save it as JSON Lines, one object a line.",
        )


def _mode(path: Path) -> int:
    """What is at `path`, as `stat` tells it; 0 for nothing."""
    try:
        return path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return 0
    except OSError as error:
        raise InputError(f"{path} can't be read: {error.strerror}.", "Choose another.") from error
