"""What one usable row is, and what one unusable row is. Knows no file format and no tokenizer."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

Message = dict[str, Any]
"""One turn: `role`, `content` (always text), and what else the row gave, such as `tool_calls`."""


@dataclass(frozen=True)
class ChatExample:
    """A conversation with at least one assistant turn; prompt and completion make two turns."""

    messages: tuple[Message, ...]
    tools: tuple[dict[str, Any], ...] | None
    line: int
    """1-based line in the file it came from."""


@dataclass(frozen=True)
class TextExample:
    """Plain text, trained from its first token to its last; never empty."""

    text: str
    line: int
    """1-based line in the file it came from."""


Example = ChatExample | TextExample


@dataclass(frozen=True)
class RowProblem:
    """Why one row can't be trained on."""

    path: Path
    line: int
    """1-based; 0 when the file as a whole is meant."""
    reason: str
    """The rest of a sentence that begins with file and line: "has an empty text"."""

    def __str__(self) -> str:
        where = [self.path.name] if self.path.name else []
        where += [f"line {self.line}"] if self.line else []
        return f"{', '.join(where)}: {self.reason}"
