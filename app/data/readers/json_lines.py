"""JSON Lines: one JSON value a line; a line that is none is named, and the next is read."""

from collections.abc import Iterator
from pathlib import Path

from app.data.examples import RowProblem
from app.data.readers.source import ShareRead
from app.data.readers.strict_json import BadJson, StrictJson
from app.data.readers.text import TOO_BIG, Text, opened_text
from app.data.row_location import Place


def json_lines(
    path: Path, share: ShareRead | None = None
) -> Iterator[tuple[Place, object] | RowProblem]:
    """Every line that is not blank, as its value or its problem."""
    parser = StrictJson()
    with opened_text(path, share=share) as text:
        yield from text.warnings()
        for line, raw in text.lines():
            if raw is None:
                reason = f"{TOO_BIG}; split it into several rows"
                yield RowProblem(path, Place(line), reason, "too big")
            elif stripped := raw.strip(" \t\r\n"):
                yield _row(text, parser, stripped, Place(line))


def _row(
    text: Text, parser: StrictJson, raw: str, place: Place
) -> tuple[Place, object] | RowProblem:
    if problem := text.problem(raw, place):
        return problem
    try:
        return place, parser.value(raw)
    except BadJson as error:
        return RowProblem(text.path, place, str(error), error.kind)
