"""What is to be known of rows that are trained on all the same, kept with their tokens."""

from collections.abc import Iterable
from enum import IntFlag

from app.data.examples import Note, ProblemKind


class RowNote(IntFlag):
    """The kinds; their numbers stand in stores of tokens."""

    SPECIAL_TOKENS = 1
    MARKED_GOOD = 2
    NOT_TRAINED = 4
    UNUSED_KEY = 8


KINDS: dict[RowNote, ProblemKind] = {
    RowNote.SPECIAL_TOKENS: "special tokens",
    RowNote.MARKED_GOOD: "marked good",
    RowNote.NOT_TRAINED: "not trained",
    RowNote.UNUSED_KEY: "unused key",
}
_NOTES = {kind: note for note, kind in KINDS.items()}
SPECIAL_TOKENS = (
    "holds special tokens of the model, as a chat template writes them; they are trained as such"
)
_SAID = {
    RowNote.SPECIAL_TOKENS: "special tokens of the model in the text, which are trained as such",
    RowNote.MARKED_GOOD: "a label that is true: trained as good answers",
    RowNote.NOT_TRAINED: "replies in a prompt, or marked questions, which are not trained",
    RowNote.UNUSED_KEY: "keys in their turns that few chat templates write",
}


def flags_of(notes: Iterable[Note]) -> RowNote:
    """The notes of an example's checks, as they are kept."""
    flags = RowNote(0)
    for kind, _ in notes:
        flags |= _NOTES.get(kind, RowNote(0))
    return flags


def note_line(note: RowNote, count: int) -> str:
    """A line of a run's log."""
    rows = "1 row has" if count == 1 else f"{count:,} rows have"
    return f"{rows} {_SAID[note]}."
