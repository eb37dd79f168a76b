"""Strict JSON: also rejects what Python accepts silently (NaN, duplicate keys, lone surrogates)."""

import json
import re
from typing import Any

from app.core.files.strict_parsing import MAX_DEPTH, depth_of, json_error_text
from app.data.row_values import IssueKind

# Only an escaped surrogate turns valid UTF-8 into text that UTF-8 cannot hold.
_SURROGATE_ESCAPE = re.compile(r"\\u[dD][89a-fA-F]")


class BadJson(Exception):
    """Why a text is not a row: the predicate of a sentence that begins with file and line."""

    def __init__(self, reason: str, kind: IssueKind = "broken json") -> None:
        super().__init__(reason)
        self.kind = kind


class StrictJson:
    """Parses JSON values. Not thread-safe."""

    def __init__(self) -> None:
        self._problem = ""
        self._decoder = json.JSONDecoder(
            parse_constant=self._constant, object_pairs_hook=self._unique_keys
        )

    def value(self, text: str) -> object:
        """The single value of `text`. Raises BadJson."""
        try:
            value, end = self.value_at(text, 0)
            if end < len(text):
                raise json.JSONDecodeError("Extra data", text, end)
        except json.JSONDecodeError as error:
            raise BadJson(
                f"is not valid JSON at column {error.colno}: {error_words(error)}"
            ) from None
        self.check(value, text)
        return value

    def value_at(self, text: str, start: int) -> tuple[object, int]:
        """The value that begins at `start`, not checked yet, and its end.

        Raises JSONDecodeError if it is invalid or incomplete, and BadJson if it is too deep or has
        too long a number.
        """
        self._problem = ""
        try:
            return self._decoder.raw_decode(text, start)
        except json.JSONDecodeError:
            raise
        except RecursionError:
            raise BadJson("is nested too deeply to be an example", "too big") from None
        except ValueError:
            raise BadJson("has a number with too many digits", "too big") from None

    def check(self, value: object, text: str) -> None:
        """Raise BadJson if the value read last, from `text`, is not strict JSON."""
        if self._problem:
            raise BadJson(self._problem)
        if text.count("[") + text.count("{") > MAX_DEPTH and depth_of(value) > MAX_DEPTH:
            raise BadJson("is nested too deeply to be an example", "too big")
        if _SURROGATE_ESCAPE.search(text):
            try:
                json.dumps(value, ensure_ascii=False).encode("utf-8")
            except UnicodeEncodeError:
                reason = "has half of a \\u surrogate pair, which isn't a character"
                raise BadJson(reason, "encoding") from None

    def _constant(self, name: str) -> None:
        self._problem = self._problem or f"has {name}, which is not valid JSON"

    def _unique_keys(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        row = dict(pairs)
        if len(row) < len(pairs):
            names = [name for name, _ in pairs]
            repeated = next(name for name in names if names.count(name) > 1)
            self._problem = self._problem or f"has the key {repeated[:40]!r} twice"
        return row


def error_words(error: json.JSONDecodeError) -> str:
    """The decoder's message in plain English."""
    if error.msg == "Extra data":
        return "there is more text after the end of the row"
    return json_error_text(error)
