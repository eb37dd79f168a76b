"""Finds the training and validation files in a folder.

It recognizes files named train and valid, also as shards (train-00000-of-00003.parquet) and under
`data` as on the Hub; folders of these names; folders written by `save_to_disk` of the `datasets`
library; and a single file of any name. Reads no rows.
"""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from app.core.errors import InputError
from app.core.files.data_formats import bare_name, file_format
from app.core.files.strict_parsing import parse_json

TRAIN_NAMES = ("train",)
VALID_NAMES = ("valid", "validation", "val", "dev")
INNER_FOLDER = "data"
"""The subfolder of a Hub dataset that has the files, if they are not beside the dataset card."""
SHOWN_FILES = 4
_STATE = "state.json"
_BESIDE = re.compile(
    r"readme|licen[cs]e|changelog|dataset_(info|infos|dict)|state|config|.*_config|tokenizer|"
    r"special_tokens_map|vocab|added_tokens|.*\.index|(train|eval|all)_results|train(er|ing)_.*"
)
"""Names of files without rows."""
_PROSE = ("txt", "md")
_KEEP_ONE = "Keep one of them, or choose the file itself."


def files_in(folder: Path) -> tuple[list[Path], list[Path]]:
    """The training files and the validation files of a folder.

    Raises InputError if there are no training files, or if the choice is ambiguous.
    """
    place = _place(folder)
    if saved := saved_files(place):
        return saved, []
    train, suffix = _named(place, TRAIN_NAMES)
    train = train or _in_folder(place, TRAIN_NAMES)
    if train:
        valid, _ = _named(place, VALID_NAMES, suffix)
        return train, valid or _in_folder(place, VALID_NAMES)
    return _alone(folder), []


def has_train_file(folder: Path) -> bool:
    """Whether a folder looks like a dataset, by the names of its files."""
    try:
        return _looks_like_one(_place(folder))
    except (OSError, InputError):
        return False


def not_read(folder: Path, used: Collection[Path]) -> list[Path]:
    """Unused files that may hold rows, and folders with such files."""
    place = _place(folder)
    folders_used = {path.parent for path in used}
    others = [path for path in _sorted(place) if path.is_dir() and path not in folders_used]
    return [
        *(path for path in _with_rows(place) if path not in used),
        *(path for path in others if not path.name.startswith(".") and _with_rows(path)),
    ]


def saved_files(folder: Path) -> list[Path]:
    """The files of a dataset written by `save_to_disk`, in order; empty for other folders.

    Raises InputError if a file is missing, or if the dataset has only selected rows.
    """
    try:
        state = parse_json((folder / _STATE).read_text(encoding="utf-8"))
        names = [str(one["filename"]) for one in state["_data_files"]]
    except (OSError, ValueError, KeyError, TypeError):
        return []
    if state.get("_indices_files"):
        raise InputError(
            f"The dataset in {folder.name} contains only selected rows of a larger one.",
            "Call flatten_indices() before saving it, so that its files have these rows only.",
        )
    files = [folder / Path(name).name for name in names]
    if absent := [path.name for path in files if not path.is_file()]:
        raise InputError(
            f"The folder {folder.name} lacks {absent[0]}, which its {_STATE} names.",
            "Put the file back, or save the dataset again.",
        )
    return files


def _place(folder: Path) -> Path:
    """The folder itself, or the inner one of a dataset from the Hub."""
    inner = folder / INNER_FOLDER
    try:
        is_inside = inner.is_dir() and not _looks_like_one(folder) and _looks_like_one(inner)
    except OSError:
        return folder
    return inner if is_inside else folder


def _looks_like_one(folder: Path) -> bool:
    names = _Names(TRAIN_NAMES)
    is_saved = (folder / _STATE).is_file() and any(folder.glob("*.arrow"))
    return is_saved or any(
        names.suffix_of(path) is not None or (_is_named(path, TRAIN_NAMES) and _rows_in(path))
        for path in folder.iterdir()
    )


class _Names:
    """Matches the file names of a split, also with a suffix such as `train_sft`."""

    def __init__(self, names: tuple[str, ...]) -> None:
        self._pattern = re.compile(f"(?:{'|'.join(names)})((?:[-_].+)?)")

    def suffix_of(self, path: Path) -> str | None:
        """The suffix after the split's name; None if the file does not belong to the split."""
        if file_format(path) is None or not path.is_file():
            return None
        name = set_name(path)
        match = None if _BESIDE.fullmatch(name) else self._pattern.fullmatch(name)
        return match[1].replace("-", "_") if match else None


def set_name(path: Path) -> str:
    """A file's name without its extensions and its shard number."""
    part = parse_shard(path)
    return part.set_name if part else bare_name(path).lower()


def _named(folder: Path, names: tuple[str, ...], suffix: str = "") -> tuple[list[Path], str]:
    """The files of a split with this suffix, and the suffix; training files may have any other
    suffix if none matches."""
    known = _Names(names)
    suffixes_by_path = [(path, known.suffix_of(path)) for path in _sorted(folder)]
    exact = [path for path, of_path in suffixes_by_path if of_path == suffix]
    if exact or names != TRAIN_NAMES:
        return one_set(folder, exact), suffix
    others = [path for path, of_path in suffixes_by_path if of_path is not None]
    suffixes = [of_path for _, of_path in suffixes_by_path if of_path is not None]
    return one_set(folder, others), suffixes[0] if suffixes else ""


def _in_folder(folder: Path, names: tuple[str, ...]) -> list[Path]:
    """The files of a split that has its own folder."""
    places = [path for path in _sorted(folder) if _is_named(path, names) and path.is_dir()]
    return _rows_in(places[0]) if places else []


def _is_named(path: Path, names: tuple[str, ...]) -> bool:
    return path.name.lower() in names


def _rows_in(folder: Path) -> list[Path]:
    """All files with rows in the folder of a split."""
    if not folder.is_dir():
        return []
    return saved_files(folder) or one_set(folder, _with_rows(folder))


def _alone(folder: Path) -> list[Path]:
    """The only file with rows in a folder, whatever its name."""
    files = _with_rows(folder)
    others = _Names((*VALID_NAMES, "test"))
    if len(files) == 1 and others.suffix_of(files[0]) is None:
        return files
    problem = f"The folder {folder.name} has no train.jsonl, nor a train file of another format"
    inside = [path for path in _sorted(folder) if path.is_dir() and has_train_file(path)]
    if inside:
        raise InputError(
            f"{problem}; its {listed(inside)} {'has' if len(inside) == 1 else 'have'} such files.",
            "Choose one of them.",
        )
    others_text = f"; it has {listed(files)}" if files else ""
    raise InputError(
        f"{problem}{others_text}.",
        "Choose a file, or a folder with train.jsonl and optionally valid.jsonl.",
    )


def _with_rows(folder: Path) -> list[Path]:
    """The files that may have rows; text files only if there are no others."""
    files = [
        path
        for path in _sorted(folder)
        if (file_format(path) and path.is_file() and not path.name.startswith("."))
        and not _BESIDE.fullmatch(bare_name(path).lower())
    ]
    return [path for path in files if file_format(path) not in _PROSE] or files


def one_set(folder: Path, paths: Sequence[Path]) -> list[Path]:
    """The only file of a split, or all its shards in order. Raises InputError for anything else."""
    parts = [part for path in paths if (part := parse_shard(path))]
    if len(parts) == len(paths) and len({part.kind for part in parts}) == 1:
        return sort_shards(folder, parts)
    if len(paths) > 1:
        raise InputError(
            f"The folder {folder.name} has {listed(paths)}: which one is meant?", _KEEP_ONE
        )
    return list(paths)


def listed(paths: Sequence[Path]) -> str:
    """The names of the first few files, for a sentence."""
    names = [path.name for path in paths[:SHOWN_FILES]]
    if (count := len(paths) - SHOWN_FILES) > 0:
        return f"{', '.join(names)} and {count} more"
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))


def _sorted(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except OSError as error:
        raise InputError(f"{folder} can't be read: {error.strerror}.", "Choose another.") from error


_NUMBERED = re.compile(
    r"((?:[a-z]+(?:[-_][a-z0-9]*[a-z])*)?)[-_.]?(\d+)(?:[-_]of[-_](\d+))?(?:-[0-9a-f]{16})?"
)
"""Matches train-00000-of-00003, train-1, train_01 and train_sft-1, with a hash at the end of older
Hub files, and 0000 in the folder of a split.
"""


@dataclass(frozen=True)
class Shard:
    """A shard, as its file name describes it."""

    path: Path
    set_name: str
    number: int
    count: int | None
    """The number of shards; None if the name doesn't contain it."""

    @property
    def kind(self) -> str:
        """The common part of the names of one split's shards: its name and extensions."""
        endings = self.path.name.lower().removeprefix(bare_name(self.path).lower())
        return self.set_name + endings


def parse_shard(path: Path) -> Shard | None:
    """The shard that a file name describes; None if the name has no number."""
    match = _NUMBERED.fullmatch(bare_name(path).lower())
    if match is None:
        return None
    name, number, count = match.groups()
    return Shard(path, name, int(number), int(count) if count else None)


def sort_shards(folder: Path, files: Sequence[Shard]) -> list[Path]:
    """All shards of a split in order. Raises InputError if one is missing or duplicated."""
    ordered = sorted(files, key=lambda file: file.number)
    for one, next_one in pairwise(ordered):
        if one.number == next_one.number:
            raise InputError(
                f"The folder {folder.name} has {one.path.name} and {next_one.path.name}: "
                "which one is meant?",
                "Keep one of them.",
            )
    counts = {file.count for file in ordered if file.count is not None}
    if counts and counts != {len(ordered)}:
        raise InputError(
            f"The folder {folder.name} has only {len(ordered)} of the {max(counts)} shards that "
            f"belong to {ordered[0].path.name}.",
            "Add the other shards, or choose a single file.",
        )
    return [file.path for file in ordered]
