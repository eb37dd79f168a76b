"""Plain text and Markdown as passages: whole paragraphs, up to 2,000 characters together.

A paragraph is what stands between blank lines. One that is longer is a passage of its own, cut at
line ends where it has any; in Markdown every heading begins a passage. So a book becomes examples
that fit a model's window, and none is cut inside a line.
"""

import re
from collections.abc import Iterator
from pathlib import Path

from app.data.examples import BrokenFile, RowProblem
from app.data.readers.other_text import LOOKED_AT, other_format
from app.data.readers.source import ShareRead
from app.data.readers.text import TOO_BIG, Text, opened_text
from app.data.row_location import WHOLE_FILE, Place

PASSAGE_CHARACTERS = 2000

_HEADING = re.compile(r" {0,3}#{1,6}\s")
_FENCE = re.compile(r" {0,3}(```|~~~)")


def passages(
    path: Path, has_headings: bool, share: ShareRead | None = None
) -> Iterator[tuple[Place, object] | RowProblem]:
    """Every passage as (place, {"text": passage}), or its problem.

    Raises BrokenFile for plain text that is of another format.
    """
    if not has_headings:
        _check_plain(path)
    with opened_text(path, newline=None, share=share) as text:
        yield from text.warnings()
        passage = _Passage(text)
        is_code = False
        for line, raw in text.lines():
            if raw is None:
                yield from passage.end()
                yield RowProblem(path, Place(line), TOO_BIG, "too big")
                continue
            is_code ^= has_headings and bool(_FENCE.match(raw))
            if has_headings and not is_code and _HEADING.match(raw):
                yield from passage.end()
            yield from passage.make_room(len(raw))
            passage.add(line, raw)
        yield from passage.end()


def _check_plain(path: Path) -> None:
    with opened_text(path, newline=None) as text:
        head = text.stream.read(LOOKED_AT)
        what = other_format(head, is_whole=len(head) < LOOKED_AT)
    if what:
        raise BrokenFile(RowProblem(path, WHOLE_FILE, what, "unreadable"))


class _Passage:
    """The lines gathered up to now: whole paragraphs, and one that may not be over."""

    def __init__(self, text: Text) -> None:
        self._text = text
        self._lines: list[tuple[int, str]] = []
        self._whole = 0
        """How many of the lines are whole paragraphs."""
        self._size = 0

    def add(self, line: int, raw: str) -> None:
        is_blank = not raw.strip()
        if is_blank and not self._lines:
            return
        self._lines.append((line, raw))
        self._size += len(raw)
        if is_blank:
            self._whole = len(self._lines)

    def make_room(self, characters: int) -> Iterator[tuple[Place, object] | RowProblem]:
        """The whole paragraphs, or else all, if a line of so many characters has no place."""
        while self._lines and self._size + characters > PASSAGE_CHARACTERS:
            yield from self._taken(self._whole or len(self._lines))

    def end(self) -> Iterator[tuple[Place, object] | RowProblem]:
        """What is left, if anything is; the next passage begins empty."""
        yield from self._taken(len(self._lines))

    def _taken(self, count: int) -> Iterator[tuple[Place, object] | RowProblem]:
        taken, self._lines, self._whole = self._lines[:count], self._lines[count:], 0
        self._size = sum(len(raw) for _, raw in self._lines)
        text = "".join(raw for _, raw in taken).rstrip()
        if text:
            place = Place(taken[0][0])
            yield self._text.problem(text, place) or (place, {"text": text})
