"""The values that describe rows: examples, issues and locations; and common names of columns."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple

from app.core.errors import InputError

PROMPTS = ("prompt", "question", "query", "instruction", "input", "problem", "user", "human")
COMPLETIONS = (
    "completion", "response", "answer", "output", "reply", "solution", "assistant", "target",
)  # fmt: skip
CONVERSATIONS = ("conversations", "conversation")
SYSTEMS = ("system", "system_prompt")


def is_turn(value: Mapping[str, object]) -> bool:
    """Whether an object is a turn of a chat rather than a row."""
    return {"role", "content"} <= value.keys() or {"from", "value"} <= value.keys()


class RowLocation(NamedTuple):
    """The location of a row in its file, set by the format's reader; sorts in file order."""

    line: int = 0
    """1-based line on which the row begins; 0 in a file without lines."""
    row: int = 0
    """1-based number of the row; 0 in formats with one row per line."""

    @property
    def is_whole_file(self) -> bool:
        """Whether the location is the whole file."""
        return not (self.line or self.row)

    def __format__(self, spec: str) -> str:
        """ "line 7"; "row 7", or "row 7 (line 12)" in a list on several lines; empty for the whole
        file.

        `spec` formats the numbers.
        """
        if not self.row:
            return f"line {self.line:{spec}}" if self.line else ""
        where = f" (line {self.line:{spec}})" if self.line > 1 else ""
        return f"row {self.row:{spec}}{where}"

    def __str__(self) -> str:
        return format(self, "")


WHOLE_FILE = RowLocation()


RawRow = tuple[RowLocation, object]
"""A row as read from its file, not validated yet, with its location."""
Message = dict[str, Any]
"""One turn: `role`, `content` (always text), and the row's further keys, such as `tool_calls`."""

KEPT_ISSUES = 1000
"""The most issues kept of a dataset, so that a broken file does not fill memory."""


IssueKind = Literal[
    "unreadable",
    "encoding",
    "broken json",
    "broken table",
    "too big",
    "unknown shape",
    "wrong type",
    "role",
    "empty",
    "no reply",
    "control characters",
    "duplicate",
    "in both sets",
    "in two datasets",
    "too long",
    "refused by the model",
    "refused by the template",
    "token without embedding",
    "too costly to render",
    "rows in an object",
    "special tokens",
    "marked bad",
    "marked good",
    "not trained",
    "row flag",
    "column not read",
    "broken arguments",
    "unused key",
    "words left out",
    "thoughts left out",
    "tool calls left out",
    "tools left out",
    "no reply follows",
    "reply not found",
    "opening reply",
    "opening reply left out",
    "other",
]
"""The kinds by which issues are counted."""

Note = tuple[IssueKind, str]
"""A note about a row that is trained on: its kind, and the rest of a sentence."""


@dataclass(frozen=True)
class ChatExample:
    """A conversation with at least one assistant turn; prompt and completion become two turns."""

    messages: tuple[Message, ...]
    tools: tuple[dict[str, Any], ...] | None
    place: RowLocation
    untrained: tuple[int, ...] = ()
    """0-based indexes of assistant turns that are context only and not trained."""
    notes: tuple[Note, ...] = field(default=(), compare=False)

    @property
    def last_question(self) -> str:
        """The content of the last user turn; "" if there is none."""
        asked = [turn["content"] for turn in self.messages if turn["role"] == "user"]
        return str(asked[-1]) if asked else ""


@dataclass(frozen=True)
class TextExample:
    """Plain text, trained from its first token to its last; never empty."""

    text: str
    place: RowLocation


Example = ChatExample | TextExample

REFUSED: IssueKind = "refused by the model"
"""A valid example without trained tokens for this model."""
REFUSED_BY_TEMPLATE: IssueKind = "refused by the template"
"""An example for which this model's chat template raises an error."""
NO_EMBEDDING: IssueKind = "token without embedding"
"""An example with a token that has no row in the model's embedding."""
TOO_COSTLY: IssueKind = "too costly to render"
"""An example that takes this model's chat template too much time or memory."""
STOPPING_KINDS = (REFUSED_BY_TEMPLATE, NO_EMBEDDING, TOO_COSTLY)
"""Kinds that depend on the model and stop a run unless invalid rows are skipped."""
MODEL_KINDS = (REFUSED, *STOPPING_KINDS)
"""Kinds that depend on the model; the row checks find all others."""


@dataclass(frozen=True)
class RowIssue:
    """Why a row can't be trained on, or a warning about one that can."""

    path: Path
    place: RowLocation
    """WHOLE_FILE if the issue concerns no single row."""
    reason: str
    """The predicate of a sentence that begins with file and line: "has an empty text"."""
    kind: IssueKind = "other"
    is_warning: bool = False
    """The row is trained on anyway."""

    def __str__(self) -> str:
        return self.line(self.path.name)

    def line(self, name: str) -> str:
        """The sentence, with this name for the file."""
        where = [part for part in (name, str(self.place)) if part]
        return f"{', '.join(where)}: {self.reason}"


class CorruptFileError(InputError):
    """A file that can't be read beyond some row; the rows before it are valid."""

    def __init__(self, problem: RowIssue, hint: str = "") -> None:
        name, place = problem.path.name, problem.place
        where = name if place.is_whole_file else f"{name}, {place},"
        super().__init__(f"{where} {problem.reason}.", hint)
        self.problem = problem


def content_digest(example: Example) -> int:
    """A 64-bit hash of a row's content; independent of its location."""
    if isinstance(example, ChatExample):
        content: object = [example.messages, example.tools]
        if example.untrained:  # only then, so that other rows keep their place in the split
            content = [example.messages, example.tools, example.untrained]
    else:
        content = example.text
    text = json.dumps(content, sort_keys=True)
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little")
