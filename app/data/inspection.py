"""What there is to show of a dataset before anything is trained on it, bad rows included."""

from dataclasses import dataclass
from pathlib import Path

from app.core.errors import InputError
from app.data.checked_file import KEPT_PROBLEMS, CheckedFile
from app.data.checks import RowFormat
from app.data.dataset_files import find_files
from app.data.examples import Example, RowProblem

PREVIEW_EXAMPLES = 5


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
    train = CheckedFile(files.train)
    held_out = None
    if files.valid:
        try:
            held_out = CheckedFile(files.valid)
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


def _whole_file(path: Path, error: InputError) -> RowProblem:
    return RowProblem(path, 0, error.message.removeprefix(f"{path.name} ").rstrip("."))


def _name(formats: set[RowFormat]) -> str:
    if not formats:
        return "unknown"
    if formats == {"chat", "tools"}:
        return "tools"
    return next(iter(formats)) if len(formats) == 1 else "mixed"
