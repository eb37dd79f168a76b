"""A chat's system text, which may stand in a column, in a turn or in both: one is left of it.

A system turn without words counts as absent, as templates write a default for an absent one only.
"""

from collections.abc import Sequence

from app.core.text.odd_values import brief
from app.data.column_names import SYSTEMS
from app.data.examples import Message
from app.data.rows.schema_hints import Row
from app.data.rows.value_checks import RowError, is_blank, require_text


def system_column(row: Row) -> object:
    """The words of a row's system column; None where it has none. Raises Wrong if there are two."""
    columns = {name: row[name] for name in SYSTEMS if not is_blank(row.get(name))}
    if len(columns) > 1 and len({str(words) for words in columns.values()}) > 1:
        raise RowError(f"has different words in {' and '.join(columns)}; keep one of them")
    return next(iter(columns.values()), None)


def is_empty_system(message: Message) -> bool:
    """Whether a turn says nothing as the system."""
    content = message.get("content")
    return message["role"] == "system" and (is_blank(content) or content == [])


def with_system(messages: Sequence[Message], column: object) -> tuple[Message, ...]:
    """The turns with the column's words as their first; equal words stand there once.

    Raises Wrong where a system turn says something else, or doesn't come first.
    """
    if is_blank(column):
        return tuple(messages)
    words = require_text(column, "system is")
    turn = next((n for n, message in enumerate(messages) if message["role"] == "system"), None)
    if turn is None:
        return ({"role": "system", "content": words}, *messages)
    if messages[turn]["content"].strip() != words.strip():
        raise RowError(
            f"has a system column ({brief(words)}) and a system turn with other words "
            f"({brief(messages[turn]['content'])}); keep one of them"
        )
    if turn:
        raise RowError("has a system column and the same words in a later turn; keep one of them")
    return tuple(messages)
