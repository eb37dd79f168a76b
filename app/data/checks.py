"""Whether one row is an example, and if not, why: mlx-lm's formats, with the wrong shapes named.

As in mlx-lm, a row with prompt and completion is read as those, else messages count, else text;
other keys are ignored. Whether a template or tokenizer can take the example is not known here.
"""

from pathlib import Path
from typing import Any, Literal

from app.data.examples import ChatExample, Example, Message, RowProblem, TextExample

RowFormat = Literal["chat", "tools", "prompt and completion", "text"]

ROLES = ("system", "user", "assistant", "tool")
_OTHER_NAMES = {"human": "user", "gpt": "assistant", "bot": "assistant", "model": "assistant"}
_SHOWN_KEYS = 6


def check_row(row: object, line: int, path: Path) -> Example | RowProblem:
    """The example that a parsed row holds, or the row's problem."""
    try:
        return _example(row, line)
    except _Wrong as wrong:
        return RowProblem(path, line, str(wrong))


def row_format(row: object) -> RowFormat | None:
    """Which format a row is in, judged by its keys alone; None if it is in none."""
    if not isinstance(row, dict):
        return None
    if "prompt" in row and "completion" in row:
        return "prompt and completion"
    if "messages" in row:
        return "tools" if row.get("tools") or _calls_tools(row["messages"]) else "chat"
    return "text" if "text" in row else None


class _Wrong(Exception):
    """The rest of a sentence that begins with file and line."""


def _example(row: object, line: int) -> Example:
    if not isinstance(row, dict):
        raise _Wrong(f"is {_kind(row)}, not an object in curly brackets")
    match row_format(row):
        case "prompt and completion":
            prompt = _text(row["prompt"], "prompt")
            completion = _text(row["completion"], "completion")
            messages = (
                {"role": "user", "content": prompt},
                {"role": "assistant", "content": completion},
            )
            return ChatExample(messages, _tools(row.get("tools")), line)
        case "chat" | "tools":
            return ChatExample(_messages(row["messages"]), _tools(row.get("tools")), line)
        case "text":
            return TextExample(_text(row["text"], "text"), line)
    for there, absent in (("prompt", "completion"), ("completion", "prompt")):
        if there in row:
            raise _Wrong(f"has a {there} but no {absent}")
    if not row:
        raise _Wrong("is an empty object")
    keys = ", ".join(str(key)[:40] for key in list(row)[:_SHOWN_KEYS])
    more = ", …" if len(row) > _SHOWN_KEYS else ""
    raise _Wrong(f"has none of messages, prompt and completion, or text; its keys are {keys}{more}")


def _messages(value: object) -> tuple[Message, ...]:
    if not isinstance(value, list):
        raise _Wrong(f"messages is {_kind(value)}, not a list")
    if not value:
        raise _Wrong("messages is an empty list")
    messages = tuple(_message(item, number) for number, item in enumerate(value, start=1))
    if not any(message["role"] == "assistant" for message in messages):
        raise _Wrong("has no assistant turn, so there is nothing to learn")
    return messages


def _message(value: object, number: int) -> Message:
    if not isinstance(value, dict):
        raise _Wrong(f"message {number} is {_kind(value)}, not an object")
    if "role" not in value:
        raise _Wrong(f"message {number} has no role")
    role = value["role"]
    if role not in ROLES:
        raise _Wrong(f"message {number} has an unknown role, {_shown(role)}; {_advice(role)}")
    where = f"message {number} ({role})"
    calls = value.get("tool_calls")
    if calls is not None:
        _check_tool_calls(calls, role, where)
    content = value.get("content")
    if calls and (content is None or content == ""):
        # Several templates print a null as the word None, which would be trained.
        return {**value, "content": ""}
    if "content" not in value:
        raise _Wrong(f"{where} has no content")
    if isinstance(content, list):
        raise _Wrong(f"{where} has a list of parts as content; only plain text can be trained")
    _text(content, "content", where)
    return value


def _check_tool_calls(calls: object, role: str, where: str) -> None:
    if not isinstance(calls, list):
        raise _Wrong(f"{where} has tool_calls that are {_kind(calls)}, not a list")
    if calls and role != "assistant":
        raise _Wrong(f"{where} has tool_calls, which only an assistant turn can have")
    for call in calls:
        function = call.get("function", call) if isinstance(call, dict) else None
        if not isinstance(function, dict) or not isinstance(function.get("name"), str):
            raise _Wrong(f"{where} has a tool call without a function name")


def _tools(value: object) -> tuple[dict[str, Any], ...] | None:
    if value is None or value == []:
        return None
    if not isinstance(value, list):
        raise _Wrong(f"tools is {_kind(value)}, not a list")
    for number, tool in enumerate(value, start=1):
        if not isinstance(tool, dict):
            raise _Wrong(f"tool {number} is {_kind(tool)}, not an object")
    return tuple(value)


def _text(value: object, name: str, where: str = "") -> str:
    subject = f"{where} has {name} that is" if where else f"{name} is"
    if not isinstance(value, str):
        raise _Wrong(f"{subject} {_kind(value)}, not text")
    if not value.strip():
        raise _Wrong(f"{subject} empty")
    return value


def _calls_tools(messages: object) -> bool:
    return isinstance(messages, list) and any(
        isinstance(message, dict) and (message.get("tool_calls") or message.get("role") == "tool")
        for message in messages
    )


def _advice(role: object) -> str:
    if isinstance(role, str) and role.lower() in (*_OTHER_NAMES, *ROLES):
        return f"call it {_OTHER_NAMES.get(role.lower(), role.lower())!r}"
    return "roles are " + ", ".join(ROLES)


def _shown(value: object) -> str:
    return repr(value[:40]) if isinstance(value, str) else _kind(value)


def _kind(value: object) -> str:
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
    return "an object"
