"""What a run does about a dataset's bad rows: it doesn't start."""

from collections.abc import Iterator
from pathlib import Path

from app.core.errors import InputError
from app.data.examples import Example, RowProblem

SHOWN_PROBLEMS = 3


def refusing(path: Path, rows: Iterator[Example | RowProblem]) -> Iterator[Example]:
    """The examples; raises InputError that shows the first bad rows, and counts them all."""
    for found in rows:
        if isinstance(found, RowProblem):
            raise _refusal(path, found, rows)
        yield found


def _refusal(path: Path, first: RowProblem, rest: Iterator[Example | RowProblem]) -> InputError:
    shown, count = [first], 1
    for found in rest:
        if isinstance(found, RowProblem):
            count += 1
            if len(shown) < SHOWN_PROBLEMS:
                shown.append(found)
    words = "; ".join(f"line {problem.line}: {problem.reason}" for problem in shown)
    more = f"; and {count - SHOWN_PROBLEMS:,} more" if count > SHOWN_PROBLEMS else ""
    rows = "1 bad row" if count == 1 else f"{count:,} bad rows"
    hint = "Correct or remove them, and start again."
    with path.open("rb") as opened:
        if opened.read(64).removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"["):
            hint = "It looks like one JSON list: save it as JSON Lines, one object a line."
    return InputError(f"{path.name} has {rows}: {words}{more}.", hint)
