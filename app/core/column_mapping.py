"""Maps a file's columns to roles where their names are not recognized: "prompt=q, completion=a".

A comma in a column's name is written with a backslash before it.
"""

import re
from dataclasses import dataclass, fields

from app.core.errors import InputError
from app.core.text.sanitize import short_repr
from app.core.text.translation import tr

EXAMPLE = "prompt=q, completion=a"

_PART = re.compile(r"(?:[^,\\]|\\.?)+")
_MARKS = re.compile(r"[,\\]")
_ESCAPED = r"\\\g<0>"


@dataclass(frozen=True)
class ColumnMapping:
    """The names of a file's columns by role; None for a role without a column."""

    prompt: str | None = None
    completion: str | None = None
    system: str | None = None
    text: str | None = None
    messages: str | None = None
    tools: str | None = None

    def __post_init__(self) -> None:
        if problem := _problem(self):
            hint = tr("Write it like {example}, or text=body.", example=EXAMPLE)
            raise InputError(problem, hint)

    def __str__(self) -> str:
        """The mapping as `parse_columns` reads it."""
        named = self.by_role().items()
        return ", ".join(f"{role}={_MARKS.sub(_ESCAPED, name)}" for role, name in named)

    def by_role(self) -> dict[str, str]:
        """Role → column, for the roles that have a column."""
        return {role: name for role, name in vars(self).items() if name is not None}


ROLES = tuple(f.name for f in fields(ColumnMapping))


def parse_columns(text: str) -> ColumnMapping | None:
    """The mapping in `text`; None if `text` is empty. Raises InputError."""
    named: dict[str, str] = {}
    for part in (part.strip() for part in _PART.findall(text)):
        if not part:
            continue
        role, _, name = (re.sub(r"\\(.)", r"\1", piece.strip()) for piece in part.partition("="))
        if role not in ROLES or not name:
            raise InputError(
                tr(
                    "{part} maps no column: the roles are {roles}.",
                    part=short_repr(part),
                    roles=", ".join(ROLES),
                ),
                tr("Write it like {example}.", example=EXAMPLE),
            )
        if role in named:
            raise InputError(
                tr("The role {role} is given twice.", role=role),
                tr("Map each role to one column."),
            )
        named[role] = name
    return ColumnMapping(**named) if named else None


def _problem(columns: ColumnMapping) -> str:
    named = columns.by_role()
    if ("prompt" in named) != ("completion" in named):
        there, absent = ("prompt", "completion") if "prompt" in named else ("completion", "prompt")
        return tr("A column is mapped to {there} but none to {absent}.", there=there, absent=absent)
    kinds = [kind for kind in ("prompt", "messages", "text") if kind in named]
    if not kinds:
        return tr("No column is mapped to prompt and completion, to messages or to text.")
    if len(kinds) > 1:
        return tr(
            "Columns are mapped to more than one kind of example: {roles}.",
            roles=", ".join(kinds),
        )
    if "text" in named and (extra := {"system", "tools"} & set(named)):
        return tr("Plain text has no {role}.", role=min(extra))
    return ""
