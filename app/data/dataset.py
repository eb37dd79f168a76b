"""A dataset as it is trained on: checked examples, a share of them held out.

Nothing is known here of tokenizers or of the run; a dataset with a bad row is not trained on.
"""

from dataclasses import dataclass
from pathlib import Path

from app.core.errors import InputError
from app.data.checked_file import CheckedFile
from app.data.dataset_files import DatasetFiles, find_files
from app.data.examples import Example, RowProblem
from app.data.splitting import split

SHOWN_PROBLEMS = 3


@dataclass(frozen=True)
class Dataset:
    """Checked examples, in the order of their files."""

    train: tuple[Example, ...]
    valid: tuple[Example, ...]
    problems: tuple[RowProblem, ...]
    files: DatasetFiles | None = None
    """Where the lines of the examples are to be found; held-out rows are in `files.train`."""


def load_dataset(data: Path, valid: Path | None, validation_share: float, seed: int) -> Dataset:
    """Every example of a dataset, with a share held out where there is no validation file.

    Raises InputError that shows the first bad rows if there is any, or says that nothing is there.
    """
    files = find_files(data, valid)
    train = CheckedFile(files.train)
    held_out = CheckedFile(files.valid) if files.valid else None
    for file in (train, held_out):
        if file:
            _refuse_problems(file)
    if held_out:
        return Dataset(tuple(train.examples), tuple(held_out.examples), (), files)
    kept, held = split(train.examples, validation_share, seed)
    return Dataset(tuple(kept), tuple(held), (), files)


def _refuse_problems(file: CheckedFile) -> None:
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
