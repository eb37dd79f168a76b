"""What is odd about an example that can be trained on all the same: characters nobody typed, and
what its checks noted.
"""

import re
import unicodedata
from collections.abc import Iterator
from pathlib import Path

from app.data.examples import ChatExample, Example, RowIssue

# Tabs, line feeds, form feeds and carriage returns stand in honest texts.
_CONTROL = re.compile("[\x00-\x08\x0b\x0e-\x1f\x7f-\x84\x86-\x9f]")
_LOST = "\ufffd"


def example_warnings(example: Example, path: Path) -> Iterator[RowIssue]:
    """A warning for each note, and for each kind of odd character."""
    for kind, reason in example.notes if isinstance(example, ChatExample) else ():
        yield RowIssue(path, example.place, reason, kind, is_warning=True)
    text = " ".join(_texts(example))
    match = None if text.isprintable() else _CONTROL.search(text)
    if match:
        name = f"U+{ord(match.group()):04X}"
        reason = f"holds the control character {name}, which is learned as it is"
        yield RowIssue(path, example.place, reason, "control characters", is_warning=True)
    if _LOST in text:
        name = unicodedata.name(_LOST).lower()
        reason = f"holds a {name}, so a character was lost when the file was made"
        yield RowIssue(path, example.place, reason, "encoding", is_warning=True)


def _texts(example: Example) -> list[str]:
    """The words of an example."""
    if isinstance(example, ChatExample):
        return [message["content"] for message in example.messages]
    return [example.text]
