"""Notes and warnings about rows that are trained on; notes are stored with the tokens."""

import re
import unicodedata
from collections.abc import Iterable, Iterator
from enum import IntFlag
from pathlib import Path

from app.data.row_values import ChatExample, Example, IssueKind, Note, RowIssue


class RowNote(IntFlag):
    """The kinds of notes; token stores contain these numbers."""

    SPECIAL_TOKENS = 1
    MARKED_GOOD = 2
    NOT_TRAINED = 4
    UNUSED_KEY = 8
    WORDS_LEFT_OUT = 16
    THOUGHTS_LEFT_OUT = 32
    CALLS_LEFT_OUT = 64
    TOOLS_LEFT_OUT = 128
    NO_REPLY_FOLLOWS = 256
    REPLY_NOT_FOUND = 512
    OPENING_REPLY = 1024
    OPENING_LEFT_OUT = 2048
    ROW_FLAG = 4096
    BROKEN_ARGUMENTS = 8192
    COLUMN_NOT_READ = 16384


KINDS: dict[RowNote, IssueKind] = {
    RowNote.SPECIAL_TOKENS: "special tokens",
    RowNote.MARKED_GOOD: "marked good",
    RowNote.NOT_TRAINED: "not trained",
    RowNote.ROW_FLAG: "row flag",
    RowNote.BROKEN_ARGUMENTS: "broken arguments",
    RowNote.COLUMN_NOT_READ: "column not read",
    RowNote.UNUSED_KEY: "unused key",
    RowNote.WORDS_LEFT_OUT: "words left out",
    RowNote.THOUGHTS_LEFT_OUT: "thoughts left out",
    RowNote.CALLS_LEFT_OUT: "tool calls left out",
    RowNote.TOOLS_LEFT_OUT: "tools left out",
    RowNote.NO_REPLY_FOLLOWS: "no reply follows",
    RowNote.REPLY_NOT_FOUND: "reply not found",
    RowNote.OPENING_REPLY: "opening reply",
    RowNote.OPENING_LEFT_OUT: "opening reply left out",
}
_NOTES = {kind: note for note, kind in KINDS.items()}
_TEMPLATE = "that the model's chat template leaves out"
_PHRASES = {
    RowNote.SPECIAL_TOKENS: "special tokens of the model in their text, which are tokenized as "
    "special tokens",
    RowNote.MARKED_GOOD: "a true label and are trained",
    RowNote.NOT_TRAINED: "replies in a prompt, or questions marked as trained, which are not "
    "trained",
    RowNote.ROW_FLAG: "a column like weight, which is read only in turns; it is ignored here",
    RowNote.BROKEN_ARGUMENTS: "tool calls whose arguments aren't a JSON object, which are trained "
    "as text",
    RowNote.COLUMN_NOT_READ: "a column with a part of a conversation, like context or reasoning, "
    "which is not read",
    RowNote.UNUSED_KEY: "keys in their turns that are left out",
    RowNote.WORDS_LEFT_OUT: f"text {_TEMPLATE}",
    RowNote.THOUGHTS_LEFT_OUT: f"thoughts {_TEMPLATE}",
    RowNote.CALLS_LEFT_OUT: f"tool calls, or parts of them, {_TEMPLATE}",
    RowNote.TOOLS_LEFT_OUT: f"tools {_TEMPLATE}",
    RowNote.NO_REPLY_FOLLOWS: "messages after the last trained reply, which are left out",
    RowNote.REPLY_NOT_FOUND: "earlier replies that are not trained: "
    "the model's chat template doesn't separate them from their prompts",
    RowNote.OPENING_REPLY: "a reply before any question, which is not trained",
    RowNote.OPENING_LEFT_OUT: "a reply before any question, "
    "which is left out because the model's chat template rejects it",
}
MODEL_NOTES = tuple(KINDS)[:1] + tuple(KINDS)[6:]
"""Notes that depend on the model's tokenizer and template."""
GUESSED: IssueKind = "unused key"
"""Without a model, the checks guess which keys a template leaves out."""


def flags_of(notes: Iterable[Note]) -> RowNote:
    """The notes of an example's checks as flags."""
    flags = RowNote(0)
    for kind, _ in notes:
        flags |= _NOTES.get(kind, RowNote(0))
    return flags


def note_reason(note: RowNote) -> str:
    """The predicate of a sentence about one row."""
    return f"has {_phrase_for_one(note)}"


def note_line(note: RowNote, count: int) -> str:
    """A line of the run log."""
    if count == 1:
        return f"1 row has {_phrase_for_one(note)}."
    return f"{count:,} rows have {_PHRASES[note]}."


def _phrase_for_one(note: RowNote) -> str:
    words = _PHRASES[note]
    for several, one in (("their text", "its text"), ("their turns", "its turns"),
                         ("and are trained", "and is trained")):  # fmt: skip
        words = words.replace(several, one)
    return words


# Tabs, line feeds, form feeds and carriage returns are normal.
_CONTROL = re.compile("[\x00-\x08\x0b\x0e-\x1f\x7f-\x84\x86-\x9f]")
_LOST = "\ufffd"


def example_warnings(example: Example, path: Path) -> Iterator[RowIssue]:
    """Yield a warning for each note, and for each kind of odd character."""
    for kind, reason in example.notes if isinstance(example, ChatExample) else ():
        yield RowIssue(path, example.place, reason, kind, is_warning=True)
    text = " ".join(_texts(example))
    match = None if text.isprintable() else _CONTROL.search(text)
    if match:
        name = f"U+{ord(match.group()):04X}"
        reason = f"has the control character {name}, which the model learns like any other text"
        yield RowIssue(path, example.place, reason, "control characters", is_warning=True)
    if _LOST in text:
        name = unicodedata.name(_LOST).lower()
        reason = f"has a {name}: a character was lost when the file was created"
        yield RowIssue(path, example.place, reason, "encoding", is_warning=True)


def _texts(example: Example) -> list[str]:
    """All texts of an example."""
    if isinstance(example, ChatExample):
        return [message["content"] for message in example.messages]
    return [example.text]
