"""JSON Lines, one row at a time, each with its line number. What a row must hold isn't known here.

A line that can't be read is handed on as a RowProblem; only a file that can't be read raises.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, NoReturn

from app.core.errors import InputError
from app.data.examples import RowProblem

MAX_LINE_BYTES = 16 * 2**20
"""Longer lines are no training examples: a whole file without line breaks, most likely."""

UTF8_BOM = b"\xef\xbb\xbf"
UTF16_BOMS = (b"\xff\xfe", b"\xfe\xff")

# An escaped surrogate is the only way for text that UTF-8 can't hold to come out of valid UTF-8.
MAX_DEPTH = 100
"""Lists and objects inside each other. Python's own limit differs from version to version."""

_SURROGATE_ESCAPE = re.compile(r"\\u[dD][89a-fA-F]")

_PLAIN_WORDS = {
    "Expecting value": "a value is missing or not quoted",
    "Expecting property name enclosed in double quotes": "a key in double quotes is missing",
    "Illegal trailing comma before end of object": "there is a comma too many before }",
    "Illegal trailing comma before end of array": "there is a comma too many before ]",
    "Expecting ',' delimiter": "a comma is missing, or the line is cut off",
    "Expecting ':' delimiter": "a colon is missing after a key",
    "Unterminated string starting at": "a text begins and is not closed",
    "Invalid control character at": "a text holds a raw tab or control character",
    "Extra data": "something follows the end of the row",
    "Invalid \\escape": "a backslash stands before a character it can't escape",
    "Invalid \\uXXXX escape": "a \\u is not followed by four hexadecimal digits",
}


def read_rows(path: Path) -> Iterator[tuple[int, object] | RowProblem]:
    """Every row of a .jsonl file as (1-based line, value), or its problem; blank lines are skipped.

    Raises InputError, at the first row asked for, when the file is missing, a folder, unreadable
    or UTF-16, and at the end when there was no row.
    """
    try:
        with path.open("rb") as file:
            rows = 0
            for line, raw in _lines(file):
                if line == 1:
                    if raw is not None and raw.startswith(UTF16_BOMS):
                        raise InputError(
                            f"{path.name} is UTF-16 text.", "Save it as UTF-8 and try again."
                        )
                    raw = raw.removeprefix(UTF8_BOM) if raw is not None else None
                if raw is not None and not raw.strip():
                    continue
                rows += 1
                yield _row(raw, line, path)
    except FileNotFoundError:
        raise InputError(f"{path} does not exist.", "Choose a .jsonl file.") from None
    except IsADirectoryError:
        raise InputError(f"{path} is a folder.", "Choose the .jsonl file in it.") from None
    except PermissionError:
        raise InputError(
            f"Nestling may not read {path}.", "Give it permission, or choose another file."
        ) from None
    except (OSError, ValueError) as error:
        raise InputError(f"{path} can't be read: {_first_line(error)}.") from error
    if not rows:
        raise InputError(f"{path.name} is empty.", "Choose a file with one JSON object a line.")


def _lines(file: BinaryIO) -> Iterator[tuple[int, bytes | None]]:
    """Raw lines with their numbers; None for one that is too long, which is never held whole."""
    line = 0
    while raw := file.readline(MAX_LINE_BYTES + 1):
        line += 1
        if len(raw) <= MAX_LINE_BYTES:
            yield line, raw
            continue
        while raw and not raw.endswith(b"\n"):
            raw = file.readline(MAX_LINE_BYTES)
        yield line, None


def _row(raw: bytes | None, line: int, path: Path) -> tuple[int, object] | RowProblem:
    if raw is None:
        size = MAX_LINE_BYTES // 2**20
        return RowProblem(path, line, f"is longer than {size} MB; split it into several rows")
    if b"\x00" in raw:
        return RowProblem(path, line, "holds a NUL byte, so it is not text; save the file anew")
    try:
        text = raw.decode("utf-8").strip()
    except UnicodeDecodeError as error:
        return RowProblem(path, line, f"is not UTF-8 text at byte {error.start + 1}")
    try:
        value = json.loads(text, parse_constant=_refuse, object_pairs_hook=_unique_keys)
        if text.count("[") + text.count("{") > MAX_DEPTH and _depth(value) > MAX_DEPTH:
            raise RecursionError
        if _SURROGATE_ESCAPE.search(text):
            json.dumps(value, ensure_ascii=False).encode("utf-8")
    except json.JSONDecodeError as error:
        words = _PLAIN_WORDS.get(error.msg, error.msg.lower())
        return RowProblem(path, line, f"is not valid JSON at column {error.colno}: {words}")
    except UnicodeEncodeError:
        return RowProblem(path, line, "holds half of a \\u surrogate pair, which is no character")
    except RecursionError:
        return RowProblem(path, line, "is nested too deeply to be an example")
    except _RowError as error:
        return RowProblem(path, line, str(error))
    except ValueError:
        return RowProblem(path, line, "holds a number too long to read")
    return line, value


class _RowError(Exception):
    """JSON that Python would read without a word, though its author can't have meant it."""


def _refuse(name: str) -> NoReturn:
    raise _RowError(f"holds {name}, which is not valid JSON")


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    row = dict(pairs)
    if len(row) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise _RowError(f"has the key {twice!r} twice")
    return row


def _first_line(error: Exception) -> str:
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return str(text).splitlines()[0].rstrip(".")


def _depth(value: object) -> int:
    """How many lists and objects stand inside each other; without recursion."""
    deepest, left = 0, [(value, 1)]
    while left:
        item, depth = left.pop()
        if isinstance(item, dict | list):
            deepest = max(deepest, depth)
            inside = item.values() if isinstance(item, dict) else item
            left += [(child, depth + 1) for child in inside]
    return deepest
