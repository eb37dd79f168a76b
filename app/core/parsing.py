"""JSON and TOML that anyone may have written: what can't be read is a ValueError with plain words.

Knows nothing of files, nor of what the values mean.
"""

import json
import tomllib
from typing import Any

MAX_DEPTH = 100
"""Lists and objects inside each other. Python's own limit differs from version to version, and
from one function to another."""
_TOO_DEEP = "it is nested too deeply"
_TOO_LONG = "it holds a number that is too long"


def parse_json(content: str | bytes) -> Any:
    """The value. Raises ValueError, also for what Python has no words for."""
    try:
        value = json.loads(content)
    except (json.JSONDecodeError, UnicodeDecodeError):
        raise
    except RecursionError:
        raise ValueError(_TOO_DEEP) from None
    except ValueError:
        raise ValueError(_TOO_LONG) from None
    opens = ("[", "{") if isinstance(content, str) else (b"[", b"{")
    if sum(map(content.count, opens)) > MAX_DEPTH:  # type: ignore[arg-type]
        _check_depth(value)
    return value


def parse_toml(text: str) -> dict[str, Any]:
    """The table. Raises ValueError; its words say where, if TOML's own rules are broken."""
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
    """How many lists and objects stand inside each other; without recursion."""
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
