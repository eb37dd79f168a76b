"""A dataset as it is trained on: checked examples, a share of them held out.

Nothing is known here of tokenizers or of the run. A dataset with a bad row is not
trained on, unless bad rows are to be left out.
"""

from dataclasses import dataclass
from pathlib import Path

from app.core.columns import Columns
from app.core.errors import InputError
from app.data.checked_file import CheckedFile
from app.data.dataset_files import DatasetFiles, find_files
from app.data.examples import Example, RowProblem
from app.data.readers.formats import file_format
from app.data.splitting import split

SHOWN_PROBLEMS = 3


@dataclass(frozen=True)
class Dataset:
    """Checked examples, in the order of their files."""

    train: tuple[Example, ...]
    valid: tuple[Example, ...]
    problems: tuple[RowProblem, ...]
    """The first of the bad rows that were left out."""
    files: DatasetFiles | None = None
    """Where the lines of the examples are to be found; held-out rows are in `files.train`."""
    problem_count: int = 0


def load_dataset(
    data: Path,
    valid: Path | None,
    validation_share: float,
    seed: int,
    columns: Columns | None = None,
    leave_out_bad_rows: bool = False,
) -> Dataset:
    """Every example of a dataset, with a share held out where there is no validation file.

    Raises InputError that shows the first bad rows if there is any and they aren't to be left out,
    or says that nothing is there.
    """
    files = find_files(data, valid)
    train = CheckedFile(files.train, columns)
    held_out = CheckedFile(files.valid, columns) if files.valid else None
    read = [train, held_out] if held_out else [train]
    for file in read:
        if not leave_out_bad_rows or not file.examples:
            _refuse_problems(file)
    problems = [problem for file in read for problem in file.problems]
    count = len(problems) + sum(file.problems_not_kept for file in read)
    if held_out:
        kept, held = train.examples, held_out.examples
    else:
        kept, held = split(train.examples, validation_share, seed)
    return Dataset(tuple(kept), tuple(held), tuple(problems), files, count)


def _refuse_problems(file: CheckedFile) -> None:
    if not file.problems:
        return
    count = len(file.problems) + file.problems_not_kept
    shown = "; ".join(f"{p.place}: {p.reason}" for p in file.problems[:SHOWN_PROBLEMS])
    more = f"; and {count - SHOWN_PROBLEMS:,} more" if count > SHOWN_PROBLEMS else ""
    rows = "1 bad row" if count == 1 else f"{count:,} bad rows"
    raise InputError(f"{file.path.name} has {rows}: {shown}{more}.", _hint(file))


def _hint(file: CheckedFile) -> str:
    with file.path.open("rb") as opened:
        head = opened.read(64).removeprefix(b"\xef\xbb\xbf").lstrip()
    if file_format(file.path) == "jsonl" and head.startswith(b"["):
        return "It looks like one JSON list: give its name the ending .json."
    if any(problem.kind == "unknown shape" for problem in file.problems):
        return "Name its columns, like prompt=q, completion=a, or correct the file."
    return "Correct or remove them, or have bad rows left out."
