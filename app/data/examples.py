"""What one usable row is, and what one unusable row is. Knows no file format and no tokenizer."""

import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple

from app.core.errors import InputError


class RowLocation(NamedTuple):
    """Made by the reader of the format. Places of one file are in its order."""

    line: int = 0
    """1-based line on which the row begins; 0 in a file without lines."""
    row: int = 0
    """1-based number of the row; 0 where the line says it: the rows of a format by lines."""

    @property
    def is_whole_file(self) -> bool:
        """No row is meant."""
        return not (self.line or self.row)

    def __format__(self, spec: str) -> str:
        """ "line 7"; "row 7", and "row 7 (line 12)" where a list stands on several lines; empty for
        the whole file. Numbers are written as `spec` says."""
        if not self.row:
            return f"line {self.line:{spec}}" if self.line else ""
        where = f" (line {self.line:{spec}})" if self.line > 1 else ""
        return f"row {self.row:{spec}}{where}"

    def __str__(self) -> str:
        return format(self, "")


WHOLE_FILE = RowLocation()


Message = dict[str, Any]
"""One turn: `role`, `content` (always text), and what else the row gave, such as `tool_calls`."""

KEPT_PROBLEMS = 1000
"""Of each file, so that a broken one does not fill the memory."""


ProblemKind = Literal[
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
"""By which problems are counted."""

Note = tuple[ProblemKind, str]
"""What is to be known of a row that is trained on: its kind, and the rest of a sentence."""


@dataclass(frozen=True)
class ChatExample:
    """A conversation with at least one assistant turn; prompt and completion make two turns."""

    messages: tuple[Message, ...]
    tools: tuple[dict[str, Any], ...] | None
    place: RowLocation
    untrained: tuple[int, ...] = ()
    """0-based numbers of the assistant turns that are read and not trained."""
    notes: tuple[Note, ...] = field(default=(), compare=False)


@dataclass(frozen=True)
class TextExample:
    """Plain text, trained from its first token to its last; never empty."""

    text: str
    place: RowLocation


Example = ChatExample | TextExample

REFUSED: ProblemKind = "refused by the model"
"""An example, but none that this model can be trained on: nothing of it would be trained."""
REFUSED_BY_TEMPLATE: ProblemKind = "refused by the template"
"""An example for which this model's chat template raises an error."""
NO_EMBEDDING: ProblemKind = "token without embedding"
"""An example that this model would read out of bounds."""
TOO_COSTLY: ProblemKind = "too costly to render"
"""An example that this model's chat template takes too much time or memory for."""
STOPPING_KINDS = (REFUSED_BY_TEMPLATE, NO_EMBEDDING, TOO_COSTLY)
"""The model's, and a run stops at them unless bad rows are left out."""
MODEL_KINDS = (REFUSED, *STOPPING_KINDS)
"""The model's; all other kinds are bad rows."""


@dataclass(frozen=True)
class RowIssue:
    """Why one row can't be trained on, or what is odd about one that can."""

    path: Path
    place: RowLocation
    """WHOLE_FILE when no row is meant."""
    reason: str
    """The rest of a sentence that begins with file and line: "has an empty text"."""
    kind: ProblemKind = "other"
    is_warning: bool = False
    """The row is trained on all the same."""

    def __str__(self) -> str:
        return self.line(self.path.name)

    def line(self, name: str) -> str:
        """The sentence with this name for its file."""
        where = [part for part in (name, str(self.place)) if part]
        return f"{', '.join(where)}: {self.reason}"


class CorruptFileError(InputError):
    """A file of which nothing more can be read from some row on; what came before was right."""

    def __init__(self, problem: RowIssue, hint: str = "") -> None:
        name, place = problem.path.name, problem.place
        where = name if place.is_whole_file else f"{name}, {place},"
        super().__init__(f"{where} {problem.reason}.", hint)
        self.problem = problem


def content_digest(example: Example) -> int:
    """64 bits of a hash of what a row holds, wherever it stands."""
    if isinstance(example, ChatExample):
        content: object = [example.messages, example.tools]
        if example.untrained:  # others keep the digest they had, by which they are held out
            content = [example.messages, example.tools, example.untrained]
    else:
        content = example.text
    text = json.dumps(content, sort_keys=True)
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little")
