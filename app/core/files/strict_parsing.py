"""Parses JSON and TOML from any source; raises ValueError with a plain sentence.

Knows nothing of files or of the meaning of values. msgspec converts values of known types.
"""

import json
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")

MAX_DEPTH = 100
"""Levels of nesting. Python's own limit differs from version to version, and
from one function to another."""
_TOO_DEEP = "it is nested too deeply"
_TOO_LONG = "it holds a number that is too long"
_PLAIN_WORDS = {
    "Expecting value": "a value is missing or not quoted",
    "Expecting property name enclosed in double quotes": "a key in double quotes is missing",
    "Illegal trailing comma before end of object": "there is a comma too many before }",
    "Illegal trailing comma before end of array": "there is a comma too many before ]",
    "Expecting ',' delimiter": "a comma is missing, or the line is cut off",
    "Expecting ':' delimiter": "a colon is missing after a key",
    "Unterminated string starting at": "a text begins and is not closed",
    "Invalid control character at": "a text holds a raw tab or control character",
    "Extra data": "something follows its end",
    "Invalid \\escape": "a backslash stands before a character it can't escape",
    "Invalid \\uXXXX escape": "a \\u is not followed by four hexadecimal digits",
}


def parse_json(content: str | bytes) -> Any:
    """The value. Raises ValueError, whose text is a clause."""
    value = parse_flat_json(content)
    opens = ("[", "{") if isinstance(content, str) else (b"[", b"{")
    if sum(map(content.count, opens)) > MAX_DEPTH:  # type: ignore[arg-type]
        _check_depth(value)
    return value


def parse_flat_json(content: str | bytes) -> Any:
    """The value, for a caller that reads only a few levels: its depth is not
    checked, as that takes several times as long as parsing."""
    try:
        return json.loads(content)
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise ValueError(f"{json_error_text(error)} ({place})") from None
    except UnicodeDecodeError:
        raise ValueError("it is not UTF-8") from None
    except RecursionError:
        raise ValueError(_TOO_DEEP) from None
    except ValueError:
        raise ValueError(_TOO_LONG) from None


def json_error_text(error: json.JSONDecodeError) -> str:
    """The problem in plain words."""
    return _PLAIN_WORDS.get(error.msg, error.msg.lower())


def parse_toml(text: str) -> dict[str, Any]:
    """The table. Raises ValueError, which names the place of a syntax error."""
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        raise
    except RecursionError:
        raise ValueError(_TOO_DEEP) from None
    except ValueError:
        raise ValueError(_TOO_LONG) from None
    _check_depth(table)
    return table


def depth_of(value: object) -> int:
    """The depth of nested lists and objects, found without recursion."""
    deepest, left = 0, [(value, 1)]
    while left:
        item, depth = left.pop()
        if isinstance(item, dict | list):
            deepest = max(deepest, depth)
            inside = item.values() if isinstance(item, dict) else item
            left += [(child, depth + 1) for child in inside]
    return deepest


def _check_depth(value: object) -> None:
    if depth_of(value) > MAX_DEPTH:
        raise ValueError(_TOO_DEEP)


def typed(value: object, kind: type[T], *, to_path: Callable[[str], Path] = Path) -> T:
    """A plain value as an instance of `kind`: a dataclass, or any type that msgspec knows.

    Nothing is coerced but a whole number to a float. Raises ValueError.
    """
    import msgspec  # not before the window is shown

    def path(expected: type, text: object) -> Path:
        if expected is not Path or not isinstance(text, str):
            raise ValueError(text)
        return to_path(text)

    try:
        return msgspec.convert(value, kind, dec_hook=path)
    except msgspec.ValidationError as error:
        raise ValueError(str(error)) from None


def plain(value: object) -> Any:
    """The reverse: a dataclass and its values as JSON values."""
    import msgspec

    return msgspec.to_builtins(value, enc_hook=str)
