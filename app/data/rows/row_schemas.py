"""Recognizes the schema of a row and converts it to one form: a chat's messages, or a text.

The keys determine the schema, in this order: prompt and completion; messages; ShareGPT's
conversations; Alpaca's instruction, input and output; a question and its answer under a common
name; text. Upper case is accepted if nothing else fits. Mapped columns take precedence. An
ambiguous row is an error.
"""

from dataclasses import dataclass, replace
from typing import Any, Literal

from app.core.column_mapping import ColumnMapping
from app.data.row_values import COMPLETIONS, CONVERSATIONS, PROMPTS, Note
from app.data.rows.messages import system_column, tools_of
from app.data.rows.schema_hints import (
    UNKNOWN,
    Row,
    check_label,
    is_turn_list,
    preference_error,
    unknown_schema_error,
)
from app.data.rows.turns import (
    FLAGS,
    SHAREGPT_KEYS,
    is_sharegpt,
    row_flags,
    to_messages,
    unused_keys,
)
from app.data.rows.value_checks import RowError, is_blank, parse_json_list, require_text

RowFormat = Literal[
    "chat", "tools", "ShareGPT", "Alpaca", "prompt and completion", "question and answer", "text"
]
_LEFT_OUT = "which is not part of ShareGPT's format and is left out"
_PARTS = frozenset({
    "reasoning_content", "reasoning", "thinking", "thought", "thoughts", "chain_of_thought", "cot",
    "context", "documents", "image", "images", "audio", "audios", "video", "videos", "messages",
    *CONVERSATIONS,
})  # fmt: skip
"""Common names of columns with a part of a conversation."""


@dataclass(frozen=True)
class ParsedRow:
    """The parts of a row; most of them are not checked yet."""

    form: RowFormat
    messages: Any = None
    text: str | None = None
    tools: object = None
    system: object = None
    """The text of a column beside the messages."""
    notes: tuple[Note, ...] = ()
    columns: tuple[str, ...] = ()
    """The columns that the turns come from."""


def parse_row(row: Row, columns: ColumnMapping | None = None) -> ParsedRow:
    """The parts of a row.

    Raises RowError for an unknown or ambiguous schema, or for an answer labelled as bad.
    """
    parsed = _parse_mapped(row, columns) if columns else _parse_by_keys(row)
    if parsed.text is not None:
        return parsed
    mapped = columns.by_role().values() if columns else ()
    notes = check_label(row, mapped) + row_flags(row, mapped)
    notes += _unread_parts(row, {*parsed.columns, *mapped})
    return replace(parsed, notes=(*parsed.notes, *notes)) if notes else parsed


def _unread_parts(row: Row, read: set[str]) -> tuple[Note, ...]:
    """Notes about columns with a part of the conversation that are not read."""
    return tuple(
        ("column not read", f"has {name} as a column, which is not read")
        for name in sorted(_PARTS & row.keys() - read)
        if not is_blank(row[name]) and row[name] != []
    )


def _parse_by_keys(row: Row) -> ParsedRow:
    parsed = _parse_known_keys(row)
    if parsed is None:
        lower = {str(key).strip().lower(): value for key, value in row.items()}
        lower = lower if len(lower) == len(row) else dict(row)
        parsed = _parse_known_keys(lower) or _parse_only_chat(lower)
    if parsed is None:
        raise preference_error(row) or unknown_schema_error(row, _outer_column(row))
    return parsed


def _parse_known_keys(row: Row) -> ParsedRow | None:
    if "prompt" in row and "completion" in row:
        return _prompt_completion_row(row, "prompt", "completion", "prompt and completion")
    if "messages" in row:
        return _chat_row(row, "messages")
    if key := next((key for key in CONVERSATIONS if key in row), None):
        return _chat_row(row, key)
    return _parse_synonyms(row) or (_text_row(row, "text") if "text" in row else None)


def _parse_only_chat(row: Row) -> ParsedRow | None:
    """A chat under any other name, if no column belongs to another schema."""
    if preference_error(row) or any(name in row for name in (*PROMPTS, *COMPLETIONS)):
        return None
    chats = {name: turns for name in row if is_turn_list(turns := parse_json_list(row[name]))}
    if len(chats) > 1:
        names = ", ".join(map(str, chats))
        raise RowError(f"has several chats ({names}): map one of them to messages", UNKNOWN)
    return next((_chat_row(row, name) for name in chats), None)


def _parse_synonyms(row: Row) -> ParsedRow | None:
    prompts = [name for name in PROMPTS if name in row]
    completions = [name for name in COMPLETIONS if name in row]
    if not prompts or not completions:
        return None
    is_alpaca = prompts in (["instruction"], ["instruction", "input"])
    if len(completions) > 1 or (len(prompts) > 1 and not is_alpaca):
        names = ", ".join([*prompts, *completions])
        raise RowError(f"could be read in several ways: it has {names}; map its columns", UNKNOWN)
    if is_alpaca:
        return _prompt_completion_row(row, "instruction", completions[0], "Alpaca")
    if "text" in row:
        names = f"{prompts[0]} and {completions[0]}"
        raise RowError(f"could be read as {names} or as text; map its columns", UNKNOWN)
    form: RowFormat = "question and answer" if "question" in row else "prompt and completion"
    return _prompt_completion_row(row, prompts[0], completions[0], form)


def _prompt_completion_row(row: Row, prompt: str, completion: str, form: RowFormat) -> ParsedRow:
    prompt_value, read = row[prompt], [prompt, completion]
    if form != "prompt and completion" or prompt != "prompt":
        for name in ("input", "context"):
            if name != prompt and not is_blank(row.get(name)):
                prompt_value = require_text(prompt_value, f"{prompt} is")
                prompt_value += "\n\n" + require_text(row[name], f"{name} is")
                read.append(name)
    turns, notes = _exchange(prompt_value, row[completion], prompt, completion)
    turns = [*_history(row.get("history")), *turns]
    return ParsedRow(form, turns, None, tools_of(row), system_column(row), notes, tuple(read))


def _exchange(
    prompt_value: object, answer: object, prompt: str, completion: str
) -> tuple[list[Any], tuple[Note, ...]]:
    """The turns of a prompt and its completion, with notes.

    Each of the two is a text or, as in TRL, a list of turns.
    """
    notes: tuple[Note, ...] = ()
    if is_turn_list(prompt_value):
        turns = [_untrained(turn) for turn in _turns(prompt_value)]
        if any("weight" in turn for turn in turns):
            reason = f"has replies in its {prompt}, which are context only and not trained"
            notes = (("not trained", reason),)
    else:
        turns = [{"role": "user", "content": require_text(prompt_value, f"{prompt} is")}]
    if is_turn_list(answer):
        replies = _turns(answer)
        if not any(turn.get("role") == "assistant" for turn in replies):
            why = "has no assistant turn, so there is nothing to learn"
            raise RowError(f"{completion} {why}", "no reply")
    else:
        replies = [{"role": "assistant", "content": _answer(answer, completion)}]
    return [*turns, *replies], notes


def _turns(turns: list[dict[str, Any]]) -> list[Any]:
    return to_messages(turns) if is_sharegpt(turns) else turns


def _untrained(turn: dict[str, Any]) -> dict[str, Any]:
    """A turn of a prompt; a reply in it is not trained unless it is marked as trained."""
    is_reply = turn.get("role") == "assistant" and not turn.keys() & FLAGS
    return {**turn, "weight": 0} if is_reply else turn


def _answer(value: object, name: str) -> str:
    if isinstance(value, list) and len(value) > 1 and all(isinstance(v, str) for v in value):
        advice = "keep the best, or write a row for each good one"
        raise RowError(f"{name} is a list of {len(value):,} answers: {advice}")
    return require_text(value, f"{name} is")


def _history(value: object) -> list[dict[str, Any]]:
    """Earlier turns as in datasets derived from Alpaca: a list of [question, answer]."""
    if is_blank(value) or value == []:
        return []
    if not isinstance(value, list):
        raise RowError("has a history that isn't a list of [question, answer]")
    turns = []
    for pair in value:
        if not isinstance(pair, list) or len(pair) != 2:
            raise RowError("has a history that isn't a list of [question, answer]")
        for role, content in zip(("user", "assistant"), pair, strict=True):
            turns.append(
                {"role": role, "content": require_text(content, "a turn of its history is")}
            )
    return turns


def _chat_row(row: Row, column: str) -> ParsedRow:
    parsed = _chat(row[column], tools_of(row), system_column(row))
    return replace(parsed, columns=(column,))


def _chat(messages: object, tools: object, system: object) -> ParsedRow:
    messages = parse_json_list(messages)
    if is_sharegpt(messages):
        turns, notes = to_messages(messages), unused_keys(messages, SHAREGPT_KEYS, _LEFT_OUT)
        return ParsedRow("ShareGPT", messages=turns, tools=tools, system=system, notes=notes)
    form: RowFormat = "tools" if tools or _calls_tools(messages) else "chat"
    return ParsedRow(form, messages=messages, tools=tools, system=system)


def _text_row(row: Row, name: str) -> ParsedRow:
    return ParsedRow("text", text=require_text(row[name], f"{name} is"))


def _parse_mapped(row: Row, columns: ColumnMapping) -> ParsedRow:
    for role, name in columns.by_role().items():
        if name not in row and role not in ("system", "tools"):
            raise RowError(f"has no column {name!r}, which is mapped to {role}", UNKNOWN)
    tools = row.get(columns.tools) if columns.tools else None
    if columns.text:
        return _text_row(row, columns.text)
    if columns.messages:
        return _chat(row[columns.messages], tools, row.get(columns.system or ""))
    prompt, completion = columns.prompt or "", columns.completion or ""
    turns, notes = _exchange(row[prompt], row[completion], prompt, completion)
    system = row.get(columns.system) if columns.system else None
    return ParsedRow("prompt and completion", turns, None, tools, system, notes)


def _calls_tools(messages: object) -> bool:
    return isinstance(messages, list) and any(
        isinstance(message, dict) and (message.get("tool_calls") or message.get("role") == "tool")
        for message in messages
    )


def _outer_column(row: Row) -> str | None:
    """The column with a whole example, if the row itself has no schema."""
    if any(str(key).strip().lower() in (*PROMPTS, *COMPLETIONS) for key in row):
        return None
    inner = (name for name, value in row.items() if isinstance(value, dict) and _has_shape(value))
    return next(inner, None)


def _has_shape(value: Row) -> bool:
    try:
        return _parse_known_keys(value) is not None
    except RowError:  # a known schema with an error
        return True
