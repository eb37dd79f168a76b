"""Recognizes text files that are JSON, a table or RTF instead of plain text, by their first
characters.

Prose that begins with a bracket, or with commas in every line, counts as plain text.
"""

import csv
import json
import re

from app.data.readers.strict_json import BadJson, StrictJson
from app.data.row_values import COMPLETIONS, CONVERSATIONS, PROMPTS, SYSTEMS

LOOKED_AT = 2**16
"""The number of characters that are examined."""
_COLUMNS = {*PROMPTS, *COMPLETIONS, *CONVERSATIONS, *SYSTEMS, "text", "messages", "tools"}
_DELIMITERS = ",;\t|"
_OBJECT = re.compile(r'\{\s*"(?:[^"\\\n]|\\.)*"\s*:\s*["\[{tfn0-9-]')
_LIST = re.compile(r"\[\s*(?=[\[{])")
_MANY_COLUMNS, _MANY_LINES = 3, 5


def other_format(head: str, is_whole: bool) -> str:
    """The actual format of a text, with advice to the user; "" for plain text.

    `head` is the beginning of the text; `is_whole` says that nothing follows.
    """
    head = head.lstrip("\ufeff \t\r\n")
    if head.startswith("{\\rtf"):
        return "is rich text (RTF), not plain text: save it as plain text"
    if head[:1] in ("{", "["):
        return _json(head, is_whole)
    return _table(head, is_whole)


def _json(head: str, is_whole: bool) -> str:
    opening = _LIST.match(head)
    start = opening.end() if opening else 0
    try:
        value, end = StrictJson().value_at(head, start)
    except BadJson:
        return ""
    except json.JSONDecodeError:
        # The first row may be longer than the sample.
        if is_whole or not _OBJECT.match(head, start):
            return ""
        return _as_json(".json" if opening or _is_spread(head) else ".jsonl")
    rest = head[end:].lstrip(" \t\r\n")
    if not isinstance(value, dict | list) or not value or (rest and rest[0] not in "{[,]"):
        return ""
    is_lines = not opening and "\n" not in head[:end]
    return _as_json(".jsonl" if is_lines and isinstance(value, dict) else ".json")


def _is_spread(head: str) -> bool:
    return head[1:].lstrip(" \t\r").startswith("\n")


def _as_json(ending: str) -> str:
    kind = "JSON Lines" if ending == ".jsonl" else "JSON"
    return f"is {kind}, not plain text: give its name the ending {ending}"


def _table(head: str, is_whole: bool) -> str:
    first = head.partition("\n")[0]
    delimiter = max(_DELIMITERS, key=first.count)
    if delimiter not in first:
        return ""
    records = _records(head if is_whole else head.rpartition("\n")[0], delimiter)
    if len(records) < 2 or len({len(record) for record in records}) > 1:
        return ""
    names = [name.strip().lower() for name in records[0]]
    is_header = len(set(names)) == len(names) and all(re.match(r"[^\W\d]", name) for name in names)
    is_known = len(_COLUMNS.intersection(names)) > 1
    is_large = len(names) >= _MANY_COLUMNS and len(records) >= _MANY_LINES
    is_tight = not any(name.startswith(" ") for name in records[0])
    if not is_header or not is_tight or not (is_known or is_large):
        return ""
    ending = ".tsv" if delimiter == "\t" else ".csv"
    return f"is a table, not plain text: give its name the ending {ending}"


def _records(head: str, delimiter: str) -> list[list[str]]:
    try:
        records = list(csv.reader(head.splitlines(keepends=True), delimiter=delimiter, strict=True))
    except csv.Error:
        return []
    return [record for record in records if record]
