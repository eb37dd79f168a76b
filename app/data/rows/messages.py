"""Converts messages: content to text, and tool calls to one form.

A list of content parts is concatenated without a separator. Templates that accept such lists do the
same (Llama's since 3.2), and so does mlx-lm's server for templates that accept only text. So a
tuned model gets the tokens it was trained on. A blank system message counts as missing, because
templates write their default only if it is missing.

Tool calls can also be OpenAI's older `function_call` and `functions`, and ShareGPT's turns of JSON
text. Their arguments become objects or JSON text, as the caller asks; a template needs one of both.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from app.core.text.sanitize import short_repr
from app.data.row_values import SYSTEMS, Message, Note
from app.data.rows.schema_hints import Row
from app.data.rows.value_checks import (
    RowError,
    is_blank,
    parse_json_list,
    parse_json_text,
    require_text,
    type_name,
)


def with_tool_calls(turn: Mapping[str, Any], where: str) -> Mapping[str, Any]:
    """The turn with its calls as `tool_calls`. Raises RowError if it has both forms."""
    turn_calls = turn.get("tool_calls")
    if isinstance(turn_calls, str):
        turn = {**turn, "tool_calls": parse_json_list(turn_calls)}
    call = parse_json_text(turn.get("function_call"), "{")
    if not call:
        return turn
    if turn_calls:
        raise RowError(f"{where} has a function_call beside its tool_calls; keep one of them")
    if not isinstance(call, dict) or not isinstance(call.get("name"), str):
        raise RowError(f"{where} has a function_call without a function name")
    rest = {key: value for key, value in turn.items() if key != "function_call"}
    return {**rest, "tool_calls": [_wrapped(call)]}


def calls_of_text(value: object, where: str) -> list[dict[str, Any]]:
    """The tool calls in a turn's JSON text. Raises RowError."""
    calls = parse_json_text(value)
    calls = [calls] if isinstance(calls, dict) else calls
    if not isinstance(calls, list) or not calls or not all(map(_has_name, calls)):
        raise RowError(f"{where} has a value that isn't a JSON call with a function name")
    return [call if "function" in call else _wrapped(call) for call in calls]


def tools_of(row: Row) -> object:
    """The tools of a row, from `tools` or, in older files, `functions`."""
    tools = row.get("tools")
    functions = parse_json_list(row.get("functions"))
    if not is_blank(tools) or not isinstance(functions, list):
        return tools
    return [_wrapped(one) if isinstance(one, dict) else one for one in functions]


def _wrapped(function: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "function", "function": dict(function)}


def _has_name(call: object) -> bool:
    function = call.get("function", call) if isinstance(call, dict) else None
    return isinstance(function, dict) and isinstance(function.get("name"), str)


_SHOWN_LETTERS = 40


def has_arguments(messages: Sequence[Message]) -> bool:
    """Whether the arguments of any call are an object, or JSON text of one."""
    return any(isinstance(_as_object(one), dict) for one in _arguments(messages))


def as_objects(messages: Sequence[Message]) -> list[Message]:
    """Parse arguments that are JSON objects in text; leave other text."""
    return [_with_arguments(message, _as_object) for message in messages]


def as_texts(messages: Sequence[Message]) -> list[Message]:
    """Write arguments that are objects as JSON text; leave text."""
    return [_with_arguments(message, _as_text) for message in messages]


def broken_arguments(messages: Sequence[Message]) -> tuple[Note, ...]:
    """A note about the first call whose arguments are text that is not a JSON object."""
    for number, message in enumerate(messages, start=1):
        for one in _arguments([message]):
            if isinstance(one, str) and one.strip() and not isinstance(_as_object(one), dict):
                reason = (
                    f"has a tool call in message {number} with arguments that aren't a "
                    f"JSON object ({one.strip()[:_SHOWN_LETTERS]!r}): they are trained as text"
                )
                return (("broken arguments", reason),)
    return ()


def shows_python(messages: Sequence[Message], text: str) -> bool:
    """Whether the rendered `text` has arguments in Python's syntax instead of JSON."""
    for one in _arguments(messages):
        printed = str(one)
        if isinstance(one, dict) and one and printed != _as_text(one):
            expected = sum(str(message["content"]).count(printed) for message in messages)
            if text.count(printed) > expected:
                return True
    return False


def _arguments(messages: Sequence[Message]) -> Iterator[object]:
    for message in messages:
        for call in message.get("tool_calls") or ():
            yield _function(call).get("arguments")


def _with_arguments(message: Message, form: Callable[[object], object]) -> Message:
    if not message.get("tool_calls"):
        return message
    return {**message, "tool_calls": [_call(call, form) for call in message["tool_calls"]]}


def _call(call: dict[str, Any], form: Callable[[object], object]) -> dict[str, Any]:
    function = _function(call)
    if "arguments" not in function:
        return call
    changed = {**function, "arguments": form(function["arguments"])}
    return changed if function is call else {**call, "function": changed}


def _function(call: dict[str, Any]) -> dict[str, Any]:
    function = call.get("function", call)
    return function if isinstance(function, dict) else call


def _as_object(arguments: object) -> object:
    return parse_json_text(arguments, "{")


def _as_text(arguments: object) -> object:
    is_object = isinstance(arguments, dict)
    return json.dumps(arguments, ensure_ascii=False) if is_object else arguments


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


def _text(part: object, part_name: str) -> str:
    if not isinstance(part, dict):
        raise RowError(f"{part_name} is {type_name(part)}, not an object")
    if (kind := part.get("type")) is None:
        raise RowError(f"{part_name} has no type")
    if kind != "text":
        shown = repr(kind[:_SHOWN]) if isinstance(kind, str) else type_name(kind)
        raise RowError(f"{part_name} is of type {shown}; only text can be trained")
    if "text" not in part:
        raise RowError(f"{part_name} has no text", "empty")
    text = part["text"]
    if not isinstance(text, str):
        raise RowError(f"{part_name} has a text that is {type_name(text)}, not text")
    return text


def system_column(row: Row) -> object:
    """The text of a row's system column, or None. Raises RowError if two columns differ."""
    columns = {name: row[name] for name in SYSTEMS if not is_blank(row.get(name))}
    if len(columns) > 1 and len({str(words) for words in columns.values()}) > 1:
        raise RowError(f"has different texts in {' and '.join(columns)}; keep one of them")
    return next(iter(columns.values()), None)


def is_empty_system(message: Message) -> bool:
    """Whether a turn is a blank system message."""
    content = message.get("content")
    return message["role"] == "system" and (is_blank(content) or content == [])


def with_system(messages: Sequence[Message], column: object) -> tuple[Message, ...]:
    """The turns with the column's text as the first turn, unless they already begin with it.

    Raises RowError if a system turn has another text or does not come first.
    """
    if is_blank(column):
        return tuple(messages)
    text = require_text(column, "system is")
    turn = next((n for n, message in enumerate(messages) if message["role"] == "system"), None)
    if turn is None:
        return ({"role": "system", "content": text}, *messages)
    if messages[turn]["content"].strip() != text.strip():
        raise RowError(
            f"has a system column ({short_repr(text)}) and a system turn with another text "
            f"({short_repr(messages[turn]['content'])}); keep one of them"
        )
    if turn:
        raise RowError("has a system column and the same text in a later turn; keep one of them")
    return tuple(messages)
