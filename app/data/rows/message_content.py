"""Turns the content of messages into text: lists of parts, and system texts of columns.

Parts are concatenated with nothing in between. Templates that take such lists do the same (Llama's
since 3.2), and so does mlx-lm's server for templates that take only text, so a tuned model gets the
tokens it was trained on. A blank system message counts as missing, as templates write a default
only for a missing one.
"""

from collections.abc import Sequence

from app.core.text.sanitize import short_repr
from app.data.column_names import SYSTEMS
from app.data.row_values import Message
from app.data.rows.schema_hints import Row
from app.data.rows.value_checks import RowError, is_blank, require_text, type_name

_SHOWN = 40


def join_text_parts(parts: list[object], where: str) -> str:
    """The texts of the parts, concatenated. Raises RowError for a part that is not text; `where`
    names the turn.
    """
    if not parts:
        raise RowError(f"{where} has content that is an empty list", "empty")
    return "".join(
        _text(part, f"{where} has content whose part {number}")
        for number, part in enumerate(parts, start=1)
    )


def _text(part: object, which: str) -> str:
    if not isinstance(part, dict):
        raise RowError(f"{which} is {type_name(part)}, not an object")
    if (kind := part.get("type")) is None:
        raise RowError(f"{which} has no type")
    if kind != "text":
        shown = repr(kind[:_SHOWN]) if isinstance(kind, str) else type_name(kind)
        raise RowError(f"{which} is of type {shown}; only text can be trained")
    if "text" not in part:
        raise RowError(f"{which} has no text", "empty")
    text = part["text"]
    if not isinstance(text, str):
        raise RowError(f"{which} has a text that is {type_name(text)}, not text")
    return text


def system_column(row: Row) -> object:
    """The text of a row's system column, or None. Raises RowError if two columns differ."""
    columns = {name: row[name] for name in SYSTEMS if not is_blank(row.get(name))}
    if len(columns) > 1 and len({str(words) for words in columns.values()}) > 1:
        raise RowError(f"has different words in {' and '.join(columns)}; keep one of them")
    return next(iter(columns.values()), None)


def is_empty_system(message: Message) -> bool:
    """Whether a turn is a blank system message."""
    content = message.get("content")
    return message["role"] == "system" and (is_blank(content) or content == [])


def with_system(messages: Sequence[Message], column: object) -> tuple[Message, ...]:
    """The turns, with the column's text as their first one; the same text is not repeated.

    Raises RowError if a system turn has another text or does not come first.
    """
    if is_blank(column):
        return tuple(messages)
    words = require_text(column, "system is")
    turn = next((n for n, message in enumerate(messages) if message["role"] == "system"), None)
    if turn is None:
        return ({"role": "system", "content": words}, *messages)
    if messages[turn]["content"].strip() != words.strip():
        raise RowError(
            f"has a system column ({short_repr(words)}) and a system turn with other words "
            f"({short_repr(messages[turn]['content'])}); keep one of them"
        )
    if turn:
        raise RowError("has a system column and the same words in a later turn; keep one of them")
    return tuple(messages)
