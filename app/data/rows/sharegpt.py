"""Converts ShareGPT's turns, `from` and `value`, to messages with role and content."""

from typing import Any, TypeGuard

from app.data.rows.tool_calls import calls_of_text
from app.data.rows.turn_keys import is_trained
from app.data.rows.value_checks import RowError, type_name

_ROLES = {
    "human": "user",
    "user": "user",
    "gpt": "assistant",
    "assistant": "assistant",
    "chatgpt": "assistant",
    "bot": "assistant",
    "model": "assistant",
    "system": "system",
    "tool": "tool",
    "observation": "tool",
    "function_response": "tool",
}
_CALL = "function_call"
"""The speaker of an assistant's turn that is a call, as in LLaMA-Factory."""


def is_sharegpt(messages: object) -> TypeGuard[list[Any]]:
    """Whether any turn names its speaker by `from`."""
    return isinstance(messages, list) and any(
        isinstance(turn, dict) and "from" in turn and "role" not in turn for turn in messages
    )


def to_messages(turns: Any) -> list[object]:
    """The turns as messages; other values are left to the checks. Raises RowError."""
    return [_message(turn, number) for number, turn in enumerate(turns, start=1)]


def _message(turn: object, number: int) -> object:
    if not isinstance(turn, dict) or "from" not in turn:
        return turn
    speaker = turn["from"]
    name = speaker.lower() if isinstance(speaker, str) else None
    if name not in (*_ROLES, _CALL):
        shown = repr(speaker[:40]) if isinstance(speaker, str) else type_name(speaker)
        known = "human, gpt, system and tool"
        raise RowError(f"message {number} is from {shown}; Nestling knows {known}", "role")
    if "value" not in turn:
        raise RowError(f"message {number} ({speaker}) has no value", "empty")
    role = _ROLES.get(name, "assistant")
    trained = is_trained(turn, f"message {number} ({role})")
    weight = {} if trained is None else {"weight": int(trained)}
    if name == _CALL:
        calls = calls_of_text(turn["value"], f"message {number} ({speaker})")
        return {"role": role, "content": "", "tool_calls": calls, **weight}
    return {"role": role, "content": turn["value"], **weight}
