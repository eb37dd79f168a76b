"""A turn's content given as a list of parts, as in OpenAI's chats, brought into one text.

The texts follow one another with nothing in between. So they do in templates that take such lists
themselves (as Llama's since 3.2, where each part is `{{ content['text'] }}`), and so does mlx-lm's
server join them for a template that takes only text: whoever asks the tuned model through either
gives it the tokens that it was trained on. Where lines are wanted, the parts hold them.
"""

from app.data.rows.value_checks import RowError, type_name

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
