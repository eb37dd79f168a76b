"""Explains why a row has no known schema, and what to do about it."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypeGuard

from app.data.column_names import is_turn
from app.data.rows.value_checks import RowError

Row = Mapping[str, Any]

UNKNOWN: Literal["unknown shape"] = "unknown shape"
_SHOWN_KEYS = 6
_SHOWN_LETTERS = 40


def unknown_schema_error(row: Row, outer: str | None) -> RowError:
    """The error of a row without a known schema; `outer` is a column that holds a whole example."""
    if not row:
        return RowError("is an empty object", "empty")
    if what := _looks_like(row):
        return RowError(what, UNKNOWN)
    if outer is not None:
        return RowError(_inside(row[outer], outer))  # no column mapping can help
    return RowError(_has_none(row), UNKNOWN)


def _looks_like(row: Row) -> str | None:
    if is_turn(row):
        whole = 'all turns of a chat must stand in one row, as {"messages": [ … ]}'
        return f"is one turn of a chat: {whole}"
    if lists := [name for name, value in row.items() if _is_list_of_objects(value)]:
        return _is_whole_file(row, lists)
    for there, absent in (("prompt", "completion"), ("completion", "prompt")):
        if there in row:
            return f"has a {there} but no {absent}"
    return None


def _is_whole_file(row: Row, lists: Sequence[str]) -> str:
    if len(lists) > 1:
        what = f"several lists of objects ({_named(lists)}): save each as a .json file of its own"
        return f"is one object with {what}"
    count, name = len(row[lists[0]]), str(lists[0])[:_SHOWN_LETTERS]
    objects = "1 object" if count == 1 else f"{count:,} objects"
    what = f"is one object with a list of {objects}, {name!r}"
    return f"{what}: if these are the rows, save the list alone as .json"


def _inside(whole: Row, name: str) -> str:
    each = "it" if len(whole) == 1 else "each"
    inside = _named(list(whole))
    return f"keeps {inside} inside {name[:_SHOWN_LETTERS]!r}: give {each} a column of its own"


def _has_none(row: Row) -> str:
    more = ", …" if len(row) > _SHOWN_KEYS else ""
    known = "messages, prompt and completion, or text"
    return f"has none of {known}; its keys are {_named(list(row))}{more}"


def _named(keys: Sequence[object]) -> str:
    return ", ".join(str(key)[:_SHOWN_LETTERS] for key in keys[:_SHOWN_KEYS])


def is_turn_list(value: object) -> TypeGuard[list[dict[str, Any]]]:
    """Whether a value is a list of turns."""
    return _is_list_of_objects(value) and all("role" in v or "from" in v for v in value)


def _is_list_of_objects(value: object) -> TypeGuard[list[dict[str, Any]]]:
    return isinstance(value, list) and bool(value) and all(isinstance(v, dict) for v in value)
