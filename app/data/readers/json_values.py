"""A .json file: one list of rows, or rows one after the other. Never held whole.

After a row that can't be read to its end nobody knows where the next begins, so that the file is
broken from there.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path

from app.data.examples import BrokenFile, ProblemKind, RowProblem
from app.data.readers.source import ShareRead
from app.data.readers.strict_json import BadJson, StrictJson, words
from app.data.readers.text import MAX_ROW, TOO_BIG, Text, opened_text

_READ_CHARACTERS = 2**18
_SPACE = re.compile(r"[ \t\r\n]*")
_SEAM = 16
"""Nearer to the end of what was read than this, an error may only mean that more must be read."""

Row = tuple[int, object]


def json_values(path: Path, share: ShareRead | None = None) -> Iterator[Row | RowProblem]:
    """Every row as (line on which it begins, value), or its problem."""
    with opened_text(path, share=share) as text:
        yield from text.warnings()
        window = _Window(text)
        if window.next() == "[":
            yield from _list(window)
        else:
            while window.next():
                yield window.row()


def _list(window: "_Window") -> Iterator[Row | RowProblem]:
    window.step(1)
    is_first = True
    while (mark := window.next()) != "]" or not is_first:
        if mark == "]":
            raise window.broken("there is a comma too many before ]")
        is_first = False
        yield window.row()
        mark = window.next()
        if mark not in (",", "]"):
            raise window.broken("a comma is missing, or the list is not closed")
        if mark == "]":
            break
        window.step(1)
    window.step(1)
    if window.next():
        raise window.broken("something follows the end of the list")


class _Window:
    """A moving part of a text, in which values are found."""

    def __init__(self, text: Text) -> None:
        self._text = text
        self._parser = StrictJson()
        self._seen, self._at, self._line = "", 0, 1

    def next(self) -> str:
        """The next character that is no white space, which stays; empty at the end."""
        while True:
            space = _SPACE.match(self._seen, self._at)
            self.step(space.end() - self._at if space else 0)
            if self._at < len(self._seen) or not self._more():
                return self._seen[self._at : self._at + 1]

    def step(self, characters: int) -> None:
        end = self._at + characters
        self._line += self._seen.count("\n", self._at, end)
        self._at = end

    def row(self) -> Row | RowProblem:
        """The value that begins here. Raises BrokenFile where it has no end."""
        line = self._line
        value, raw = self._value()
        if problem := self._text.problem(raw, line):
            return problem
        try:
            self._parser.check(value, raw)
        except BadJson as error:
            return RowProblem(self._text.path, line, str(error), error.kind)
        return line, value

    def broken(self, what: str) -> BrokenFile:
        return self._broken(f"is not valid JSON: {what}", "broken json")

    def _broken(self, reason: str, kind: ProblemKind) -> BrokenFile:
        reason += "; nothing after it can be read"
        return BrokenFile(RowProblem(self._text.path, self._line, reason, kind))

    def _value(self) -> tuple[object, str]:
        while True:
            try:
                value, end = self._parser.value_at(self._seen, self._at)
            except json.JSONDecodeError as error:
                if self._is_cut_off(error) and self._more():
                    continue
                self.step(error.pos - self._at)
                raise self.broken(words(error)) from None
            except BadJson as error:
                raise self._broken(str(error), error.kind) from None
            if end < len(self._seen) or not self._more():
                raw = self._seen[self._at : end]
                self.step(len(raw))
                return value, raw

    def _is_cut_off(self, error: json.JSONDecodeError) -> bool:
        is_open = error.msg.startswith("Unterminated string")
        return is_open or error.pos > len(self._seen) - _SEAM

    def _more(self) -> bool:
        """Read on, and forget what is done with; False at the end, where nothing changes."""
        rest = self._seen[self._at :]
        if len(rest) > MAX_ROW:
            raise self._broken(TOO_BIG, "too big")
        # As much again as there is: a long value is begun anew only a few times.
        more = self._text.stream.read(max(_READ_CHARACTERS, len(rest)))
        if more:
            self._seen, self._at = rest + more, 0
        return bool(more)
