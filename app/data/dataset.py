"""A dataset on disk: which files it is, its checked examples, its bad rows, what there is to show.

Nothing is known here of tokenizers or of the run; a dataset with a bad row is not trained on.
"""

import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from app.core.errors import InputError
from app.data.checks import RowFormat, check_row, row_format
from app.data.examples import Example, RowProblem
from app.data.readers import read_rows
from app.data.splitting import split

SHOWN_PROBLEMS = 3
KEPT_PROBLEMS = 1000
PREVIEW_EXAMPLES = 5


@dataclass(frozen=True)
class DatasetFiles:
    """The files a dataset is made of."""

    train: Path
    valid: Path | None


@dataclass(frozen=True)
class Dataset:
    """Checked examples, in the order of their files."""

    train: tuple[Example, ...]
    valid: tuple[Example, ...]
    problems: tuple[RowProblem, ...]
    files: DatasetFiles | None = None
    """Where the lines of the examples are to be found; held-out rows are in `files.train`."""


@dataclass(frozen=True)
class DatasetFacts:
    """What can be said of a dataset without a model."""

    path: Path
    """The training file."""
    format: str
    """"chat", "tools", "prompt and completion", "text" or "mixed"; "unknown" without examples."""
    examples: int
    valid_examples: int
    """Examples of the validation file; 0 when there is none."""
    problems: tuple[RowProblem, ...]
    """The first 1000."""
    problem_count: int
    size_bytes: int
    preview: tuple[Example, ...]
    """The first 5 training examples."""


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


def load_dataset(data: Path, valid: Path | None, validation_share: float, seed: int) -> Dataset:
    """Every example of a dataset, with a share held out where there is no validation file.

    Raises InputError that shows the first bad rows if there is any, or says that nothing is there.
    """
    files = find_files(data, valid)
    train = _File(files.train)
    held_out = _File(files.valid) if files.valid else None
    for file in (train, held_out):
        if file:
            _refuse_problems(file)
    if held_out:
        return Dataset(tuple(train.examples), tuple(held_out.examples), (), files)
    kept, held = split(train.examples, validation_share, seed)
    return Dataset(tuple(kept), tuple(held), (), files)


def inspect(data: Path, valid: Path | None = None) -> DatasetFacts:
    """What there is to show of a dataset, bad rows included.

    Raises InputError only when nothing can be shown: the training file is missing or empty.
    """
    problems: list[RowProblem] = []
    try:
        files = find_files(data, valid)
    except InputError as error:
        files = find_files(data)
        problems.append(_whole_file(valid or data, error))
    train = _File(files.train)
    held_out = None
    if files.valid:
        try:
            held_out = _File(files.valid)
        except InputError as error:
            problems.append(_whole_file(files.valid, error))
    read = [train, held_out] if held_out else [train]
    problems += [problem for file in read for problem in file.problems]
    return DatasetFacts(
        path=files.train,
        format=_name(train.formats),
        examples=len(train.examples),
        valid_examples=len(held_out.examples) if held_out else 0,
        problems=tuple(problems[:KEPT_PROBLEMS]),
        problem_count=len(problems) + sum(file.problems_not_kept for file in read),
        size_bytes=sum(file.path.stat().st_size for file in read),
        preview=tuple(train.examples[:PREVIEW_EXAMPLES]),
    )


class _File:
    """One file, read to its end."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.examples: list[Example] = []
        self.problems: list[RowProblem] = []
        self.problems_not_kept = 0
        self.formats: set[RowFormat] = set()
        for found in self._checked():
            if not isinstance(found, RowProblem):
                self.examples.append(found)
            elif len(self.problems) < KEPT_PROBLEMS:
                self.problems.append(found)
            else:
                self.problems_not_kept += 1

    def _checked(self) -> Iterator[Example | RowProblem]:
        for read in read_rows(self.path):
            if isinstance(read, RowProblem):
                yield read
                continue
            line, row = read
            example = check_row(row, line, self.path)
            if not isinstance(example, RowProblem) and (form := row_format(row)):
                self.formats.add(form)
            yield example


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


def _whole_file(path: Path, error: InputError) -> RowProblem:
    return RowProblem(path, 0, error.message.removeprefix(f"{path.name} ").rstrip("."))


def _refuse_problems(file: _File) -> None:
    if not file.problems:
        return
    count = len(file.problems) + file.problems_not_kept
    shown = "; ".join(f"line {p.line}: {p.reason}" for p in file.problems[:SHOWN_PROBLEMS])
    more = f"; and {count - SHOWN_PROBLEMS:,} more" if count > SHOWN_PROBLEMS else ""
    rows = "1 bad row" if count == 1 else f"{count:,} bad rows"
    hint = "Correct or remove them, and start again."
    with file.path.open("rb") as opened:
        if opened.read(64).removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"["):
            hint = "It looks like one JSON list: save it as JSON Lines, one object a line."
    raise InputError(f"{file.path.name} has {rows}: {shown}{more}.", hint)


def _name(formats: set[RowFormat]) -> str:
    if not formats:
        return "unknown"
    if formats == {"chat", "tools"}:
        return "tools"
    return next(iter(formats)) if len(formats) == 1 else "mixed"
