"""Reads values one by one from a JSON text without loading all of it.

After an invalid value, the start of the next one is unknown, so the file counts as corrupt from
there on.
"""

import json
import re
from collections.abc import Iterator

from app.data.readers.strict_json import BadJson, StrictJson, error_words
from app.data.readers.text import MAX_ROW, TOO_BIG, Text
from app.data.row_values import CorruptFileError, IssueKind, RawRow, RowIssue, RowLocation

_READ_CHARACTERS = 2**18
_SPACE = re.compile(r"[ \t\r\n]*")
_SEAM = 16
"""An error this close to the end of the buffer may only mean that more text is needed."""


class JsonStream:
    """A position in a JSON text."""

    def __init__(self, text: Text) -> None:
        self._text = text
        self._parser = StrictJson()
        self._seen, self._at = "", 0
        self._line, self._row = 1, 0

    def next(self) -> str:
        """The next character other than white space, without consuming it; "" at the end."""
        while True:
            space = _SPACE.match(self._seen, self._at)
            self.step(space.end() - self._at if space else 0)
            if self._at < len(self._seen) or not self._more():
                return self._seen[self._at : self._at + 1]

    def step(self, characters: int = 1) -> None:
        end = self._at + characters
        self._line += self._seen.count("\n", self._at, end)
        self._at = end

    def rows(self) -> Iterator[RawRow | RowIssue]:
        """Yield the items of the list that begins here, with numbers; moves past the list."""
        self._row = 0
        for _ in self._inside("[", "]"):
            yield self.row()
        self._row = 0

    def members(self) -> Iterator[str]:
        """Yield the keys of the object that begins here. The caller must consume each value."""
        for _ in self._inside("{", "}"):
            key, _ = self._value() if self.next() == '"' else ("", "")
            if self.next() != ":" or not isinstance(key, str):
                raise self.broken("a key in double quotes is missing, or the colon after it")
            self.step()
            self.next()
            yield key

    def row(self) -> RawRow | RowIssue:
        """The value that begins here. Raises CorruptFileError if it is invalid or incomplete."""
        self._row += 1
        place = RowLocation(self._line, self._row)
        value, raw = self._value()
        if problem := self._text.problem(raw, place):
            return problem
        try:
            self._parser.check(value, raw)
        except BadJson as error:
            return RowIssue(self._text.path, place, str(error), error.kind)
        return place, value

    def broken(self, kind: str) -> CorruptFileError:
        return self._broken(f"is not valid JSON: {kind}", "broken json")

    def _inside(self, opening: str, closing: str) -> Iterator[None]:
        """Yield once per item between two brackets, with the position at the item's start."""
        self.step()
        is_first = True
        while (mark := self.next()) != closing or not is_first:
            if mark == closing:
                raise self.broken(f"there is a comma too many before {closing}")
            is_first = False
            yield
            mark = self.next()
            if mark not in (",", closing):
                kind = "list" if opening == "[" else "object"
                raise self.broken(f"a comma is missing, or the {kind} is not closed")
            if mark == closing:
                break
            self.step()
        self.step()

    def _broken(self, reason: str, kind: IssueKind) -> CorruptFileError:
        reason += "; nothing after it can be read"
        place = RowLocation(self._line, self._row)
        return CorruptFileError(RowIssue(self._text.path, place, reason, kind))

    def _value(self) -> tuple[object, str]:
        while True:
            try:
                value, end = self._parser.value_at(self._seen, self._at)
            except json.JSONDecodeError as error:
                if self._is_cut_off(error) and self._more():
                    continue
                self.step(error.pos - self._at)
                raise self.broken(error_words(error)) from None
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
        """Read more text and drop the consumed part; False at the end of the text."""
        rest = self._seen[self._at :]
        if len(rest) > MAX_ROW:
            raise self._broken(TOO_BIG, "too big")
        # Double the buffer, so that a long value is parsed again only a few times.
        more = self._text.stream.read(max(_READ_CHARACTERS, len(rest)))
        if more:
            self._seen, self._at = rest + more, 0
        return bool(more)
