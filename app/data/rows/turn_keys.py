"""What stands in a turn beside its words: which of it no template is likely to write."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from app.data.examples import Note
from app.data.rows.turn_flags import FLAGS

MESSAGE_KEYS = FLAGS | {
    "role", "content", "name", "tool_calls", "tool_call_id", "function_call",
    "reasoning_content", "reasoning", "thinking",
}  # fmt: skip
SHAREGPT_KEYS = FLAGS | {"from", "value"}
_NOTHING: tuple[object, ...] = (None, "", [], {})
_SHOWN = 4
_SHOWN_LETTERS = 40


def unused_keys(turns: Iterable[object], used: frozenset[str], why: str) -> tuple[Note, ...]:
    """A note that names the other keys which say something; `why` they are not trained."""
    more: dict[str, None] = {}
    for turn in turns:
        if isinstance(turn, Mapping) and not turn.keys() <= used:
            more |= dict.fromkeys(key for key in turn.keys() - used if turn[key] not in _NOTHING)
    return (("unused key", f"has {_named(sorted(more))} in its turns, {why}"),) if more else ()


def untrainable_turn_notes(
    turns: Sequence[Mapping[str, Any]], flags: Sequence[bool | None]
) -> tuple[Note, ...]:
    """A note of the first turn that is no reply and yet is to be trained."""
    for number, (turn, flag) in enumerate(zip(turns, flags, strict=True), start=1):
        if flag and turn["role"] != "assistant":
            reason = f"asks that message {number} ({turn['role']}) be trained; replies alone are"
            return (("not trained", f"{reason}, unless the mask is off"),)
    return ()


def _named(keys: Sequence[str]) -> str:
    shown = ", ".join(str(key)[:_SHOWN_LETTERS] for key in keys[:_SHOWN])
    return f"{shown}, …" if len(keys) > _SHOWN else shown
