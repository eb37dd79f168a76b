"""JSON Lines: one JSON value per line; an invalid line is reported and reading continues."""

from collections.abc import Iterator
from pathlib import Path

from app.data.readers.byte_source import ReadProgress
from app.data.readers.strict_json import BadJson, StrictJson
from app.data.readers.text import TOO_BIG, Text, open_text
from app.data.row_values import RawRow, RowIssue, RowLocation


def json_lines(path: Path, share: ReadProgress | None = None) -> Iterator[RawRow | RowIssue]:
    """Yield each line that is not blank as its value, or its issue."""
    parser = StrictJson()
    with open_text(path, share=share) as text:
        yield from text.warnings()
        for line, raw in text.lines():
            if raw is None:
                reason = f"{TOO_BIG}; split it into several rows"
                yield RowIssue(path, RowLocation(line), reason, "too big")
            elif stripped := raw.strip(" \t\r\n"):
                yield _row(text, parser, stripped, RowLocation(line))


def _row(text: Text, parser: StrictJson, raw: str, place: RowLocation) -> RawRow | RowIssue:
    if problem := text.problem(raw, place):
        return problem
    try:
        return place, parser.value(raw)
    except BadJson as error:
        return RowIssue(text.path, place, str(error), error.kind)
