"""ShareGPT's turns, `from` and `value`, as messages with role and content."""

from typing import Any, TypeGuard

from app.data.row_values import Wrong, kind_of
from app.data.turn_flags import is_trained

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


def is_sharegpt(messages: object) -> TypeGuard[list[Any]]:
    """Whether any turn says who speaks by `from`."""
    return isinstance(messages, list) and any(
        isinstance(turn, dict) and "from" in turn and "role" not in turn for turn in messages
    )


def messages_of(turns: Any) -> list[object]:
    """The turns as messages; what is no such turn is left for the checks. Raises Wrong."""
    return [_message(turn, number) for number, turn in enumerate(turns, start=1)]


def _message(turn: object, number: int) -> object:
    if not isinstance(turn, dict) or "from" not in turn:
        return turn
    speaker = turn["from"]
    if not isinstance(speaker, str) or speaker.lower() not in _ROLES:
        shown = repr(speaker[:40]) if isinstance(speaker, str) else kind_of(speaker)
        known = "human, gpt, system and tool"
        raise Wrong(f"message {number} is from {shown}; Nestling knows {known}", "role")
    if "value" not in turn:
        raise Wrong(f"message {number} ({speaker}) has no value", "empty")
    trained = is_trained(turn, f"message {number} ({_ROLES[speaker.lower()]})")
    weight = {} if trained is None else {"weight": int(trained)}
    return {"role": _ROLES[speaker.lower()], "content": turn["value"], **weight}
