"""Rows brought into the shape that checks.py knows, by the columns the user named."""

from app.core.columns import Columns


def with_columns(row: object, columns: Columns) -> object:
    """The row with its columns under the names of their roles; what is not mapped is left out."""
    if not isinstance(row, dict):
        return row
    shaped = {role: row[name] for role, name in columns.named().items() if name in row}
    if "system" not in shaped or "prompt" not in shaped:
        return shaped
    turns = {"system": shaped["system"], "user": shaped["prompt"]}
    turns["assistant"] = shaped.get("completion")
    messages = [{"role": role, "content": content} for role, content in turns.items()]
    return {"messages": messages, **{k: v for k, v in shaped.items() if k == "tools"}}
