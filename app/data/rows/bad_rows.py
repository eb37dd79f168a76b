"""The errors that stop a run at invalid rows, unless they are skipped."""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path

from app.core.errors import InputError
from app.core.files.data_formats import file_format
from app.data.row_values import (
    NO_EMBEDDING,
    REFUSED_BY_TEMPLATE,
    TOO_COSTLY,
    Example,
    IssueKind,
    RowIssue,
)

SHOWN_PROBLEMS = 3


def raise_on_bad_rows(path: Path, rows: Iterator[Example | RowIssue]) -> Iterator[Example]:
    """Yield the examples; raise InputError that shows the first invalid rows and counts all."""
    for row in rows:
        if isinstance(row, RowIssue):
            raise _bad_rows_error(path, row, rows)
        yield row


def _bad_rows_error(path: Path, first: RowIssue, rest: Iterator[Example | RowIssue]) -> InputError:
    shown, kinds, count = [first], {first.kind}, 1
    for row in rest:
        if isinstance(row, RowIssue):
            count += 1
            kinds.add(row.kind)
            if len(shown) < SHOWN_PROBLEMS:
                shown.append(row)
    words = "; ".join(f"{problem.place}: {problem.reason}" for problem in shown)
    more = f"; and {count - SHOWN_PROBLEMS:,} more" if count > SHOWN_PROBLEMS else ""
    rows = "1 bad row" if count == 1 else f"{count:,} bad rows"
    return InputError(f"{path.name} has {rows}: {words}{more}.", _hint(path, kinds))


def extension_hint(path: Path) -> str:
    """Advice about a .jsonl file that is JSON instead of JSON Lines; "" for other files."""
    try:
        with path.open("rb") as opened:
            head = opened.read(64).removeprefix(b"\xef\xbb\xbf").lstrip()
    except OSError:
        return ""
    if file_format(path) != "jsonl":
        return ""
    if head.startswith(b"["):
        return "It looks like a single JSON list: name the file .json."
    if head.partition(b"\n")[0].strip() == b"{":
        return "Its rows span several lines: name the file .json."
    return ""


def _hint(path: Path, kinds: Collection[str]) -> str:
    if advice := extension_hint(path):
        return advice
    if "unknown shape" in kinds:
        return "Name its columns, like prompt=q, completion=a, or correct the file."
    return "Correct or remove them, or have bad rows left out."


_WORDS: dict[IssueKind, tuple[str, str]] = {
    REFUSED_BY_TEMPLATE: (
        "are refused by the model's chat template",
        "Correct or remove such rows, choose another base model, or start a run with invalid rows "
        "left out.",
    ),
    NO_EMBEDDING: (
        "contain tokens without an embedding",
        "Choose the base model that this tokenizer belongs to, or start a run with invalid rows "
        "left out.",
    ),
    TOO_COSTLY: (
        "take too much time or memory to render",
        "Correct or remove such rows, fix the template, or start a run with invalid rows left out.",
    ),
}
"""Kind → the predicate of a sentence about several rows, and the advice."""


def count_by_kind(
    issues: Iterable[RowIssue],
) -> tuple[RowIssue | None, Counter[IssueKind]]:
    """The first issue, and the number of issues of each kind."""
    first, counts = None, Counter[IssueKind]()
    for issue in issues:
        first = first or issue
        counts[issue.kind] += 1
    return first, counts


def stopping_error(first: RowIssue | None, count: int = 1) -> InputError | None:
    """The error that stops a run at rows of this kind; None without an issue."""
    if first is None:
        return None
    which, hint = _WORDS[first.kind]
    rows = "" if count == 1 else f"{count:,} rows {which}; the first is "
    return InputError(f"{rows}{first}.", hint)
