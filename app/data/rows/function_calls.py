"""Calls as older files have them, brought into `tool_calls` and `tools`: OpenAI's `function_call`
and `functions`, and the turns of ShareGPT that are JSON text of one call or of several.
"""

from collections.abc import Mapping
from typing import Any

from app.data.rows.json_text import parse_json_list, parse_json_text
from app.data.rows.schema_hints import Row
from app.data.rows.value_checks import RowError, is_blank


def with_tool_calls(turn: Mapping[str, Any], where: str) -> Mapping[str, Any]:
    """The turn with its calls as a list of `tool_calls`. Raises Wrong where it has them twice."""
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
    """The calls that the words of a turn are. Raises Wrong."""
    calls = parse_json_text(value)
    calls = [calls] if isinstance(calls, dict) else calls
    if not isinstance(calls, list) or not calls or not all(map(_has_name, calls)):
        raise RowError(f"{where} has a value that is no JSON of a call with a function name")
    return [call if "function" in call else _wrapped(call) for call in calls]


def tools_of(row: Row) -> object:
    """A row's tools; older files have them as `functions`."""
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
