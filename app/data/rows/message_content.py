"""A turn's content given as a list of parts, as in OpenAI's chats, brought into one text.

The texts follow one another with nothing in between. So they do in templates that take such lists
themselves (as Llama's since 3.2, where each part is `{{ content['text'] }}`), and so does mlx-lm's
server join them for a template that takes only text: whoever asks the tuned model through either
gives it the tokens that it was trained on. Where lines are wanted, the parts hold them.
"""

from collections.abc import Sequence

from app.core.text.odd_values import brief
from app.data.column_names import SYSTEMS
from app.data.examples import Message
from app.data.rows.schema_hints import Row
from app.data.rows.value_checks import RowError, is_blank, require_text, type_name

_SHOWN = 40


def join_text_parts(parts: list[object], where: str) -> str:
    """The parts' texts as one. Raises Wrong that names the part which is no text; `where` names the
    turn."""
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
