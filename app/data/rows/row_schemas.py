"""The shapes in which rows come, brought into one: a chat's messages, or a text.

By its keys alone a row is, in this order: prompt and completion; messages; ShareGPT's
conversations; Alpaca's instruction, input and output; a question with its answer under one of their
common names; or text. Keys are taken in capitals too where nothing else fits. Where the user has
mapped columns, these decide alone. A row that could be read in two ways is named, never guessed.
"""

from dataclasses import dataclass, replace
from typing import Any, Literal

from app.core.column_mapping import ColumnMapping
from app.data.column_names import COMPLETIONS, CONVERSATIONS, PROMPTS
from app.data.examples import Note
from app.data.rows.function_calls import tools_of
from app.data.rows.json_text import parsed_list
from app.data.rows.preferences import checked_label, preference
from app.data.rows.schema_hints import UNKNOWN, Row, is_turn_list, unknown
from app.data.rows.sharegpt import is_sharegpt, messages_of
from app.data.rows.system_turns import system_column
from app.data.rows.turn_flags import FLAGS, row_flags
from app.data.rows.turn_keys import SHAREGPT_KEYS, unused_keys
from app.data.rows.value_checks import Wrong, is_absent, text_of

RowFormat = Literal[
    "chat", "tools", "ShareGPT", "Alpaca", "prompt and completion", "question and answer", "text"
]
_LEFT_OUT = "which ShareGPT's turns don't have: it is left out"


@dataclass(frozen=True)
class Shaped:
    """A row's parts, most of them still to be checked."""

    form: RowFormat
    messages: Any = None
    text: str | None = None
    tools: object = None
    system: object = None
    """The words of a column beside the messages."""
    notes: tuple[Note, ...] = ()


def shaped(row: Row, columns: ColumnMapping | None = None) -> Shaped:
    """The parts of a row. Raises Wrong if it has no shape we know, or two, or a bad answer."""
    found = _mapped(row, columns) if columns else _found(row)
    if found.text is not None:
        return found
    mapped = columns.by_role().values() if columns else ()
    notes = checked_label(row, mapped) + row_flags(row, mapped)
    return replace(found, notes=(*found.notes, *notes)) if notes else found


def _found(row: Row) -> Shaped:
    found = _recognised(row)
    if found is None:
        lower = {str(key).strip().lower(): value for key, value in row.items()}
        lower = lower if len(lower) == len(row) else dict(row)
        found = _recognised(lower) or _only_chat(lower)
    if found is None:
        raise preference(row) or unknown(row, _outer_column(row))
    return found


def _recognised(row: Row) -> Shaped | None:
    if "prompt" in row and "completion" in row:
        return _pair(row, "prompt", "completion", "prompt and completion")
    if "messages" in row:
        return _chat(row["messages"], tools_of(row), system_column(row))
    if key := next((key for key in CONVERSATIONS if key in row), None):
        return _chat(row[key], tools_of(row), system_column(row))
    return _synonyms(row) or (_text(row, "text") if "text" in row else None)


def _only_chat(row: Row) -> Shaped | None:
    """A chat under any other name, where no column is a part of another shape."""
    if preference(row) or any(name in row for name in (*PROMPTS, *COMPLETIONS)):
        return None
    chats = {name: turns for name in row if is_turn_list(turns := parsed_list(row[name]))}
    if len(chats) > 1:
        names = ", ".join(map(str, chats))
        raise Wrong(f"has several chats ({names}): map messages to the one that is meant", UNKNOWN)
    return next((_chat(chat, tools_of(row), system_column(row)) for chat in chats.values()), None)


def _synonyms(row: Row) -> Shaped | None:
    prompts = [name for name in PROMPTS if name in row]
    completions = [name for name in COMPLETIONS if name in row]
    if not prompts or not completions:
        return None
    is_alpaca = prompts in (["instruction"], ["instruction", "input"])
    if len(completions) > 1 or (len(prompts) > 1 and not is_alpaca):
        names = ", ".join([*prompts, *completions])
        raise Wrong(f"could be read in several ways: it has {names}; map its columns", UNKNOWN)
    if is_alpaca:
        return _pair(row, "instruction", completions[0], "Alpaca")
    if "text" in row:
        names = f"{prompts[0]} and {completions[0]}"
        raise Wrong(f"could be read as {names} or as text; map its columns", UNKNOWN)
    form: RowFormat = "question and answer" if "question" in row else "prompt and completion"
    return _pair(row, prompts[0], completions[0], form)


def _pair(row: Row, prompt: str, completion: str, form: RowFormat) -> Shaped:
    asked = row[prompt]
    if form != "prompt and completion" or prompt != "prompt":
        for name in ("input", "context"):
            if name != prompt and not is_absent(row.get(name)):
                asked = text_of(asked, f"{prompt} is")
                asked += "\n\n" + text_of(row[name], f"{name} is")
    turns, notes = _exchange(asked, row[completion], prompt, completion)
    turns = [*_history(row.get("history")), *turns]
    return Shaped(form, turns, None, tools_of(row), system_column(row), notes)


def _exchange(
    asked: object, answer: object, prompt: str, completion: str
) -> tuple[list[Any], tuple[Note, ...]]:
    """The turns of a prompt and its completion, each a text or, as TRL has them, a list of turns;
    with what is to be noted."""
    notes: tuple[Note, ...] = ()
    if is_turn_list(asked):
        turns = [_untrained(turn) for turn in _turns(asked)]
        if any("weight" in turn for turn in turns):
            reason = f"has replies in its {prompt}, which are read and not trained"
            notes = (("not trained", reason),)
    else:
        turns = [{"role": "user", "content": text_of(asked, f"{prompt} is")}]
    if is_turn_list(answer):
        replies = _turns(answer)
        if not any(turn.get("role") == "assistant" for turn in replies):
            why = "has no assistant turn, so there is nothing to learn"
            raise Wrong(f"{completion} {why}", "no reply")
    else:
        replies = [{"role": "assistant", "content": _answer(answer, completion)}]
    return [*turns, *replies], notes


def _turns(turns: list[dict[str, Any]]) -> list[Any]:
    return messages_of(turns) if is_sharegpt(turns) else turns


def _untrained(turn: dict[str, Any]) -> dict[str, Any]:
    """A prompt's turn; a reply in it isn't trained unless it is marked as trained."""
    is_reply = turn.get("role") == "assistant" and not turn.keys() & FLAGS
    return {**turn, "weight": 0} if is_reply else turn


def _answer(value: object, name: str) -> str:
    if isinstance(value, list) and len(value) > 1 and all(isinstance(v, str) for v in value):
        advice = "keep the best, or write a row for each good one"
        raise Wrong(f"{name} is a list of {len(value):,} answers: {advice}")
    return text_of(value, f"{name} is")


def _history(value: object) -> list[dict[str, Any]]:
    """Earlier turns as Alpaca's descendants keep them: a list of [question, answer]."""
    if is_absent(value) or value == []:
        return []
    if not isinstance(value, list):
        raise Wrong("has a history that is no list of [question, answer]")
    turns = []
    for pair in value:
        if not isinstance(pair, list) or len(pair) != 2:
            raise Wrong("has a history that is no list of [question, answer]")
        for role, content in zip(("user", "assistant"), pair, strict=True):
            turns.append({"role": role, "content": text_of(content, "a turn of its history is")})
    return turns


def _chat(messages: object, tools: object, system: object) -> Shaped:
    messages = parsed_list(messages)
    if is_sharegpt(messages):
        turns, notes = messages_of(messages), unused_keys(messages, SHAREGPT_KEYS, _LEFT_OUT)
        return Shaped("ShareGPT", messages=turns, tools=tools, system=system, notes=notes)
    form: RowFormat = "tools" if tools or _calls_tools(messages) else "chat"
    return Shaped(form, messages=messages, tools=tools, system=system)


def _text(row: Row, name: str) -> Shaped:
    return Shaped("text", text=text_of(row[name], f"{name} is"))


def _mapped(row: Row, columns: ColumnMapping) -> Shaped:
    for role, name in columns.by_role().items():
        if name not in row and role not in ("system", "tools"):
            raise Wrong(f"has no column {name!r}, which is mapped to {role}", UNKNOWN)
    tools = row.get(columns.tools) if columns.tools else None
    if columns.text:
        return _text(row, columns.text)
    if columns.messages:
        return _chat(row[columns.messages], tools, row.get(columns.system or ""))
    prompt, completion = columns.prompt or "", columns.completion or ""
    turns, notes = _exchange(row[prompt], row[completion], prompt, completion)
    system = row.get(columns.system) if columns.system else None
    return Shaped("prompt and completion", turns, None, tools, system, notes)


def _calls_tools(messages: object) -> bool:
    return isinstance(messages, list) and any(
        isinstance(message, dict) and (message.get("tool_calls") or message.get("role") == "tool")
        for message in messages
    )


def _outer_column(row: Row) -> str | None:
    """Of a row that says nothing by itself: the column in which all of an example stands."""
    if any(str(key).strip().lower() in (*PROMPTS, *COMPLETIONS) for key in row):
        return None
    inner = (name for name, value in row.items() if isinstance(value, dict) and _has_shape(value))
    return next(inner, None)


def _has_shape(value: Row) -> bool:
    try:
        return _recognised(value) is not None
    except Wrong:  # it has, and something is wrong with it
        return True
