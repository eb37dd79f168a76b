"""Checks and converts single values of a row."""

from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from app.data.readers.strict_json import BadJson, StrictJson
from app.data.row_values import IssueKind


class RowError(Exception):
    """Why a row is not an example: the predicate of a sentence that begins with file and line."""

    def __init__(self, reason: str, kind: IssueKind = "wrong type") -> None:
        super().__init__(reason)
        self.kind = kind


def require_text(value: object, subject: str) -> str:
    """The value if it is non-blank text. Raises RowError; `subject` begins its message."""
    if not isinstance(value, str):
        raise RowError(f"{subject} {type_name(value)}, not text")
    if not value.strip():
        raise RowError(f"{subject} empty", "empty")
    if "\x00" in value:
        raise RowError(f"{subject} text with a NUL character in it", "control characters")
    return value


def as_json(value: object, where: str) -> Any:
    """The value as JSON types; dates, times and decimals become text.

    Raises RowError for other types, such as binary data; `where` names the value.
    """
    match value:
        case None | bool() | int() | float() | str():
            return value
        case list() | tuple():
            return [as_json(item, where) for item in value]
        case dict():
            return {str(key): as_json(item, where) for key, item in value.items()}
        case datetime() | date() | time():
            return value.isoformat()
        case timedelta() | Decimal() | UUID():
            return str(value)
    raise RowError(f"{where} {type_name(value)}, which can't be converted to text")


def is_blank(value: object) -> bool:
    """Whether an optional value is missing: null or blank text."""
    return value is None or (isinstance(value, str) and not value.strip())


def type_name(value: object) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "true or false"
        case int() | float():
            return "a number"
        case str():
            return "text"
        case list():
            return "a list"
        case dict():
            return "an object"
        case bytes():
            return "binary data"
    return f"a {type(value).__name__.lower()}"


def parse_json_list(value: object) -> object:
    """The list that a text holds as JSON; any other value unchanged."""
    return parse_json_text(value, "[")


def parse_json_text(value: object, openings: str = "[{") -> object:
    """The JSON value of a text that begins with one of `openings`; any other value unchanged."""
    if not isinstance(value, str) or not (bare := value.strip()) or bare[0] not in openings:
        return value
    try:
        return StrictJson().value(bare)
    except BadJson:
        return value
