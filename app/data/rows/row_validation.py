"""Reads a dataset file in order and validates each row, which becomes an example or an issue.

Does not check the example against a chat template or tokenizer.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from app.core.column_mapping import ColumnMapping
from app.core.files.data_formats import file_format
from app.data.readers import ReadProgress, read_rows
from app.data.row_values import (
    ChatExample,
    Example,
    Message,
    Note,
    RowIssue,
    RowLocation,
    TextExample,
    is_turn,
)
from app.data.rows.messages import (
    broken_arguments,
    is_empty_system,
    join_text_parts,
    with_system,
    with_tool_calls,
)
from app.data.rows.row_schemas import ParsedRow, RowFormat, parse_row
from app.data.rows.schema_hints import preference_error
from app.data.rows.turns import MESSAGE_KEYS, is_trained, untrainable_turn_notes, unused_keys
from app.data.rows.value_checks import (
    RowError,
    as_json,
    is_blank,
    parse_json_text,
    require_text,
    type_name,
)

_PLAIN_KEYS = 2
"""Role and content."""
ROLES = ("system", "user", "assistant", "tool")
_MEANINGS = {"developer": "system", "function": "tool"}
"""OpenAI's newer name of `system`, and its older name of `tool`."""
_OTHER_NAMES = {
    "human": "user", "gpt": "assistant", "bot": "assistant", "model": "assistant",
    "ipython": "tool", **_MEANINGS,
}  # fmt: skip


def validate_row(
    row: object, place: RowLocation, path: Path, columns: ColumnMapping | None = None
) -> tuple[Example, RowFormat] | RowIssue:
    """The example of a row and its schema, or the row's issue."""
    try:
        whole = _object(row, path, columns)
        return _checked(whole, parse_row(whole, columns), place)
    except RowError as wrong:
        return RowIssue(path, place, str(wrong), wrong.kind)


def _checked(
    row: dict[str, Any], parts: ParsedRow, place: RowLocation
) -> tuple[Example, RowFormat]:
    try:
        return _example(parts, place), parts.form
    except RowError as wrong:
        # A chat without a reply can be the prompt of a preference pair, which has its own error.
        raise (wrong.kind == "no reply" and preference_error(row)) or wrong from None


def _object(row: object, path: Path, columns: ColumnMapping | None) -> dict[str, Any]:
    if isinstance(row, dict):
        return row
    if not isinstance(row, list) or not row or not all(isinstance(item, dict) for item in row):
        raise RowError(f"is {type_name(row)}, not an object in curly brackets")
    if columns is None and all(is_turn(item) for item in row):
        return {"messages": row}
    objects = "1 object" if len(row) == 1 else f"{len(row):,} objects"
    rows = f"is a list of {objects}, where each row must be one object"
    if file_format(path) == "jsonl":
        rows += ": write one per line, or name the file .json if it is a single list"
    raise RowError(rows, "unknown shape")


def _example(parts: ParsedRow, place: RowLocation) -> Example:
    if parts.text is not None:
        return TextExample(parts.text, place)
    messages = with_system(_messages(parts.messages), parts.system)
    tools = parse_json_text(parts.tools)
    tools = None if is_blank(tools) or tools == "null" else _tools(tools)
    untrained = tuple(_untrained(messages))
    notes = parts.notes
    if any(len(turn) > _PLAIN_KEYS for turn in messages):
        notes = (*notes, *_notes(parts.messages), *broken_arguments(messages))
        # Templates don't use weights.
        messages = tuple({k: v for k, v in turn.items() if k != "weight"} for turn in messages)
    return ChatExample(messages, tools, place, untrained, notes)


def _notes(turns: Any) -> Iterator[Note]:
    """Notes about valid turns."""
    yield from unused_keys(turns, MESSAGE_KEYS, "which few chat templates write")
    flags = [is_trained(turn, "") for turn in turns]
    yield from untrainable_turn_notes(turns, flags)


def _messages(value: object) -> tuple[Message, ...]:
    if not isinstance(value, list):
        raise RowError(f"messages is {type_name(value)}, not a list")
    if not value:
        raise RowError("messages is an empty list", "empty")
    parsed = (_message(item, number) for number, item in enumerate(value, start=1))
    messages = tuple(message for message in parsed if not is_empty_system(message))
    replies = [message for message in messages if message["role"] == "assistant"]
    if not replies:
        raise RowError("has no assistant turn, so there is nothing to learn", "no reply")
    if all(reply.get("weight") == 0 for reply in replies):
        is_weighted = all(turn.get("weight") == 0 for turn in value if turn["role"] == "assistant")
        how = "gives every assistant turn the weight 0"
        how = how if is_weighted else "marks every assistant turn as not trained"
        raise RowError(f"{how}, so there is nothing to learn", "no reply")
    return messages


def _untrained(messages: Sequence[Message]) -> Iterator[int]:
    for number, message in enumerate(messages):
        if message["role"] == "assistant" and message.get("weight") == 0:
            yield number


def _message(value: object, number: int) -> Message:
    if not isinstance(value, dict):
        raise RowError(f"message {number} is {type_name(value)}, not an object")
    if "role" not in value:
        raise RowError(f"message {number} has no role", "role")
    role = value["role"]
    if isinstance(role, str) and role in _MEANINGS:
        role = _MEANINGS[role]
        value = {**value, "role": role}
    if role not in ROLES:
        advice = f"has an unknown role, {_shown(role)}; {_advice(role)}"
        raise RowError(f"message {number} {advice}", "role")
    where = f"message {number} ({role})"
    if len(value) > _PLAIN_KEYS and is_trained(value, where) is False:
        value = {**value, "weight": 0}
    if len(value) > _PLAIN_KEYS:
        value = dict(with_tool_calls(_as_json(value, where), where))
    calls = value.get("tool_calls")
    if calls is not None:
        _check_tool_calls(calls, role, where)
    content = value.get("content")
    if isinstance(content, list) and (content or not (calls or role == "system")):
        content = join_text_parts(content, where)
    if is_empty_system({"role": role, "content": content}):
        return {"role": role, "content": ""}
    if calls and (content is None or content in ("", [])):
        # Several templates write null as the word None, which would be trained.
        return {**value, "content": ""}
    if "content" not in value:
        raise RowError(f"{where} has no content", "empty")
    text = require_text(content, f"{where} has content that is")
    return value if text is value["content"] else {**value, "content": text}


def _as_json(turn: Message, where: str) -> Message:
    """The turn with all values except its content converted to JSON types."""
    return {
        key: value if key == "content" else as_json(value, f"{where} has under {key[:40]!r}")
        for key, value in turn.items()
    }


def _check_tool_calls(calls: object, role: str, where: str) -> None:
    if not isinstance(calls, list):
        raise RowError(f"{where} has tool_calls that are {type_name(calls)}, not a list")
    if calls and role != "assistant":
        raise RowError(f"{where} has tool_calls, which only an assistant turn can have", "role")
    for call in calls:
        function = call.get("function", call) if isinstance(call, dict) else None
        if not isinstance(function, dict) or not isinstance(function.get("name"), str):
            raise RowError(f"{where} has a tool call without a function name")


def _tools(value: object) -> tuple[Any, ...] | None:
    if not isinstance(value, list):
        raise RowError(f"tools is {type_name(value)}, not a list")
    tools = [parse_json_text(tool, "{") for tool in value]
    for number, tool in enumerate(tools, start=1):
        if not isinstance(tool, dict):
            raise RowError(f"tool {number} is {type_name(tool)}, not an object")
    return tuple(as_json(tool, "a tool holds") for tool in tools) or None


def _advice(role: object) -> str:
    if isinstance(role, str) and role.lower() in (*_OTHER_NAMES, *ROLES):
        return f"call it {_OTHER_NAMES.get(role.lower(), role.lower())!r}"
    return "roles are " + ", ".join(ROLES)


def _shown(value: object) -> str:
    return repr(value[:40]) if isinstance(value, str) else type_name(value)


def read_examples(
    path: Path, columns: ColumnMapping | None = None, share: ReadProgress | None = None
) -> Iterator[Example | RowIssue]:
    """Yield each row of a file as an example or an issue, in one pass.

    Memory use does not grow with the file. `columns` maps columns to roles; `share` is updated with
    the share read. Raises InputError at the first row if the file can't be read, and
    CorruptFileError if the rest can't be read.
    """
    for row in read_validated_rows(path, columns, share):
        if not isinstance(row, RowIssue):
            yield row[0]
        elif not row.is_warning:
            yield row


def read_validated_rows(
    path: Path, columns: ColumnMapping | None = None, share: ReadProgress | None = None
) -> Iterator[tuple[Example, RowFormat] | RowIssue]:
    """`read_examples` with the schema of each example, and with warnings about the file."""
    for read in read_rows(path, share):
        if isinstance(read, RowIssue):
            yield read
        else:
            place, row = read
            yield validate_row(row, place, path, columns)
