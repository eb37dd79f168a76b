"""Reads the turns of a chat: flags for trained turns, unused keys, and ShareGPT's turns (`from` and
`value`), which become messages with role and content.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, TypeGuard

from app.data.row_values import Note
from app.data.rows.messages import calls_of_text
from app.data.rows.value_checks import RowError, type_name

_IS_TRAINED = {
    "weight": True, "train": True, "training": True, "trainable": True, "loss": True,
    "masked": False,
}  # fmt: skip
"""Key → whether 1 means that the turn is trained."""
FLAGS = frozenset(_IS_TRAINED)


def is_trained(turn: Mapping[str, object], where: str) -> bool | None:
    """Whether a turn's flags mark it as trained; None without flags.

    `where` names the turn. Raises RowError for an invalid flag, or if two contradict each other.
    """
    flags: dict[str, bool] = {}
    for name in turn.keys() & FLAGS:
        if turn[name] is not None:
            flags[name] = _checked(turn[name], name, where) is _IS_TRAINED[name]
    if len(set(flags.values())) > 1:
        names = " and ".join(sorted(flags))
        raise RowError(f"{where} has {names}, which contradict each other")
    return next(iter(flags.values()), None)


def row_flags(row: Mapping[str, object], mapped: Collection[str] = ()) -> tuple[Note, ...]:
    """Notes about columns named like a turn's flag, unless the value is 1 or a measured loss."""
    return tuple(
        ("row flag", f"has a column {name} ({row[name]!r:.20}), which is ignored: it is trained")
        for name in sorted(FLAGS & row.keys() - set(mapped))
        if _marks_untrained(row[name], name)
    )


def _marks_untrained(value: object, name: str) -> bool:
    if not isinstance(value, int | float):
        return False
    if value in (0, 1):
        return bool(value) is not _IS_TRAINED[name]
    return name == "weight"


def _checked(value: object, name: str, where: str) -> bool:
    is_bool = isinstance(value, bool)
    if isinstance(value, int | float) and value in (0, 1) and not (is_bool and name == "weight"):
        return bool(value)
    shown = f"that is {type_name(value)}"
    if isinstance(value, int | float) and not is_bool:
        shown = f"{value!r:.20}"
    expected = "0 or 1" if name == "weight" else "true or false"
    raise RowError(f"{where} has a {name} {shown}; it must be {expected}")


MESSAGE_KEYS = FLAGS | {
    "role", "content", "name", "tool_calls", "tool_call_id", "function_call",
    "reasoning_content", "reasoning", "thinking",
}  # fmt: skip
SHAREGPT_KEYS = FLAGS | {"from", "value"}
_NOTHING: tuple[object, ...] = (None, "", [], {})
_SHOWN = 4
_SHOWN_LETTERS = 40


def unused_keys(turns: Iterable[object], used: frozenset[str], reason: str) -> tuple[Note, ...]:
    """A note that names other keys with a value; `reason` says why they are not trained."""
    more: dict[str, None] = {}
    for turn in turns:
        if isinstance(turn, Mapping) and not turn.keys() <= used:
            more |= dict.fromkeys(key for key in turn.keys() - used if turn[key] not in _NOTHING)
    return (("unused key", f"has {_named(sorted(more))} in its turns, {reason}"),) if more else ()


def untrainable_turn_notes(
    turns: Sequence[Mapping[str, object]], flags: Sequence[bool | None]
) -> tuple[Note, ...]:
    """A note about the first turn that is marked as trained but is not a reply."""
    for number, (turn, flag) in enumerate(zip(turns, flags, strict=True), start=1):
        if flag and turn["role"] != "assistant":
            reason = f"marks message {number} ({turn['role']}) as trained, but only replies are"
            return (("not trained", f"{reason}, unless prompt masking is off"),)
    return ()


def _named(keys: Sequence[str]) -> str:
    shown = ", ".join(str(key)[:_SHOWN_LETTERS] for key in keys[:_SHOWN])
    return f"{shown}, …" if len(keys) > _SHOWN else shown


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
"""The speaker of an assistant turn that is a tool call, as in LLaMA-Factory."""


def is_sharegpt(messages: object) -> TypeGuard[list[Any]]:
    """Whether any turn names its speaker by `from`."""
    return isinstance(messages, list) and any(
        isinstance(turn, dict) and "from" in turn and "role" not in turn for turn in messages
    )


def to_messages(turns: Any) -> list[object]:
    """The turns as messages; other values are unchanged, for later checks. Raises RowError."""
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
