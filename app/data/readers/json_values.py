"""Reads JSON Lines, and .json files with a list of rows, several rows in sequence, or an object
that contains the list. In JSON Lines, an invalid line is reported and reading continues.
"""

from collections.abc import Iterator
from pathlib import Path

from app.core.text.sanitize import short_repr
from app.data.readers.byte_source import ReadProgress
from app.data.readers.json_stream import JsonStream
from app.data.readers.strict_json import BadJson, StrictJson
from app.data.readers.text import TOO_BIG, Text, open_text
from app.data.row_values import (
    COMPLETIONS,
    CONVERSATIONS,
    PROMPTS,
    WHOLE_FILE,
    CorruptFileError,
    RawRow,
    RowIssue,
    RowLocation,
    is_turn,
)

LIST_NAMES = ("data", "train", "rows", "examples", "items", "records", "samples", "dataset")
"""Keys for the list of rows in a file that is one object."""
_OTHER_SETS = ("valid", "validation", "val", "dev", "test")
_ROW_NAMES = {*PROMPTS, *COMPLETIONS, *CONVERSATIONS, "messages", "text"}


def json_values(path: Path, share: ReadProgress | None = None) -> Iterator[RawRow | RowIssue]:
    """Yield each row as (location, value), or its issue."""
    name = _list_name(path)
    with open_text(path, share=share) as text:
        yield from text.warnings()
        window = JsonStream(text)
        mark = window.next()
        if name:
            reason = f"is one object; its rows are read from the list {name!r} in it"
            yield RowIssue(path, WHOLE_FILE, reason, "rows in an object", is_warning=True)
            yield from _named_list(window, path, name)
        elif mark == "[":
            yield from window.rows()
        else:
            while window.next():
                yield window.row()
        if window.next():
            kind = "object" if name else "list"
            raise window.broken(f"there is more text after the end of the {kind}")


def _list_name(path: Path) -> str:
    """The key of the list of rows, if the file is one object; otherwise ""."""
    with open_text(path) as text:
        window = JsonStream(text)
        if window.next() != "{":
            return ""
        try:
            for key in window.members():
                if key.strip().lower() in _ROW_NAMES:
                    return ""
                is_list = window.next() == "["
                if is_list and key.strip().lower() in LIST_NAMES:
                    return key if _begins_with_a_row(window) else ""
                _pass(window)
        except CorruptFileError:  # reported when the rows are read
            pass
        return ""


def _begins_with_a_row(window: JsonStream) -> bool:
    """Whether the list's first item is an object other than a turn of a chat."""
    first = next(window.rows(), None)
    if isinstance(first, tuple):
        return isinstance(first[1], dict) and not is_turn(first[1])
    return first is not None


def _named_list(window: JsonStream, path: Path, name: str) -> Iterator[RawRow | RowIssue]:
    """Yield the rows of one list of an object.

    Raises CorruptFileError if another list has objects too.
    """
    is_read = False
    for key in window.members():
        if key == name:
            if is_read:
                raise window.broken(f"the key {name!r} comes twice")
            is_read = True
            yield from window.rows()
        elif _pass(window):
            others = f"has the list {short_repr(key)} beside {name!r}"
            if name.strip().lower() != "train" or key.strip().lower() not in _OTHER_SETS:
                reason = f"{others}: save the one to use as a separate file"
                raise CorruptFileError(RowIssue(path, WHOLE_FILE, reason, "rows in an object"))
            reason = f"{others}, which is not read: save it as a separate file to validate on it"
            yield RowIssue(path, WHOLE_FILE, reason, "rows in an object", is_warning=True)


def _pass(window: JsonStream) -> bool:
    """Skip a value; True if it is a list with an object."""
    if window.next() != "[":
        window.row()
        return False
    return sum(isinstance(row, tuple) and isinstance(row[1], dict) for row in window.rows()) > 0


def json_lines(path: Path, share: ReadProgress | None = None) -> Iterator[RawRow | RowIssue]:
    """Yield the value of each non-blank line as (location, value), or its issue."""
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
