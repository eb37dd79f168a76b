"""What a run does about a dataset's bad rows: it doesn't start."""

from collections.abc import Collection, Iterator
from pathlib import Path

from app.core.errors import InputError
from app.data.examples import Example, RowProblem
from app.data.readers.formats import file_format

SHOWN_PROBLEMS = 3


def refusing(path: Path, rows: Iterator[Example | RowProblem]) -> Iterator[Example]:
    """The examples; raises InputError that shows the first bad rows, and counts them all."""
    for found in rows:
        if isinstance(found, RowProblem):
            raise _refusal(path, found, rows)
        yield found


def _refusal(path: Path, first: RowProblem, rest: Iterator[Example | RowProblem]) -> InputError:
    shown, kinds, count = [first], {first.kind}, 1
    for found in rest:
        if isinstance(found, RowProblem):
            count += 1
            kinds.add(found.kind)
            if len(shown) < SHOWN_PROBLEMS:
                shown.append(found)
    words = "; ".join(f"{problem.place}: {problem.reason}" for problem in shown)
    more = f"; and {count - SHOWN_PROBLEMS:,} more" if count > SHOWN_PROBLEMS else ""
    rows = "1 bad row" if count == 1 else f"{count:,} bad rows"
    return InputError(f"{path.name} has {rows}: {words}{more}.", _hint(path, kinds))


def ending_advice(path: Path) -> str:
    """What to do with a .jsonl file that is no JSON Lines; empty where it may be."""
    try:
        with path.open("rb") as opened:
            head = opened.read(64).removeprefix(b"\xef\xbb\xbf").lstrip()
    except OSError:
        return ""
    if file_format(path) != "jsonl":
        return ""
    if head.startswith(b"["):
        return "It looks like one JSON list: give its name the ending .json."
    if head.partition(b"\n")[0].strip() == b"{":
        return "Its rows stand on several lines each: give its name the ending .json."
    return ""


def _hint(path: Path, kinds: Collection[str]) -> str:
    if advice := ending_advice(path):
        return advice
    if "unknown shape" in kinds:
        return "Name its columns, like prompt=q, completion=a, or correct the file."
    return "Correct or remove them, or have bad rows left out."
