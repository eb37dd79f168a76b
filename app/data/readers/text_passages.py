"""Splits plain text and Markdown into passages: whole paragraphs, up to 2,000 characters together.

Blank lines separate paragraphs. A longer paragraph is split at line ends. In Markdown, every
heading begins a passage. So a book becomes examples that fit a model's context, and no line is
split.
"""

import re
from collections.abc import Iterator
from pathlib import Path

from app.data.readers.byte_source import ReadProgress
from app.data.readers.format_detection import LOOKED_AT, other_format
from app.data.readers.text import TOO_BIG, Text, open_text
from app.data.row_values import WHOLE_FILE, CorruptFileError, RawRow, RowIssue, RowLocation

PASSAGE_CHARACTERS = 2000

_HEADING = re.compile(r" {0,3}#{1,6}\s")
_FENCE = re.compile(r" {0,3}(```|~~~)")


def passages(
    path: Path, has_headings: bool, share: ReadProgress | None = None
) -> Iterator[RawRow | RowIssue]:
    """Yield each passage as (location, {"text": passage}), or its issue.

    Raises CorruptFileError if the file is not plain text.
    """
    if not has_headings:
        _check_plain(path)
    with open_text(path, newline=None, share=share) as text:
        yield from text.warnings()
        passage = _Passage(text)
        is_code = False
        for line, raw in text.lines():
            if raw is None:
                yield from passage.end()
                yield RowIssue(path, RowLocation(line), TOO_BIG, "too big")
                continue
            is_code ^= has_headings and bool(_FENCE.match(raw))
            if has_headings and not is_code and _HEADING.match(raw):
                yield from passage.end()
            yield from passage.make_room(len(raw))
            passage.add(line, raw)
        yield from passage.end()


def _check_plain(path: Path) -> None:
    with open_text(path, newline=None) as text:
        head = text.stream.read(LOOKED_AT)
        detected = other_format(head, is_whole=len(head) < LOOKED_AT)
    if detected:
        raise CorruptFileError(RowIssue(path, WHOLE_FILE, detected, "unreadable"))


class _Passage:
    """Collects lines: whole paragraphs, and one that may continue."""

    def __init__(self, text: Text) -> None:
        self._text = text
        self._lines: list[tuple[int, str]] = []
        self._whole = 0
        """The number of lines that belong to whole paragraphs."""
        self._size = 0

    def add(self, line: int, raw: str) -> None:
        is_blank = not raw.strip()
        if is_blank and not self._lines:
            return
        self._lines.append((line, raw))
        self._size += len(raw)
        if is_blank:
            self._whole = len(self._lines)

    def make_room(self, characters: int) -> Iterator[RawRow | RowIssue]:
        """Yield whole paragraphs, or all lines, until a line of this many characters fits."""
        while self._lines and self._size + characters > PASSAGE_CHARACTERS:
            yield from self._pop(self._whole or len(self._lines))

    def end(self) -> Iterator[RawRow | RowIssue]:
        """Yield the collected lines, if any, and start an empty passage."""
        yield from self._pop(len(self._lines))

    def _pop(self, count: int) -> Iterator[RawRow | RowIssue]:
        lines, self._lines, self._whole = self._lines[:count], self._lines[count:], 0
        self._size = sum(len(raw) for _, raw in self._lines)
        text = "".join(raw for _, raw in lines).rstrip()
        if text:
            place = RowLocation(lines[0][0])
            yield self._text.problem(text, place) or (place, {"text": text})
