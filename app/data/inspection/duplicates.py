"""Finds duplicate rows by hashes, with 32 bytes per row.

Rows are duplicates if they differ only in case, spaces, tabs and line breaks.
"""

import json
from array import array
from collections.abc import Iterator
from dataclasses import replace
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING

from app.data.row_values import ChatExample, Example, IssueKind, RowIssue, RowLocation

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Hashes = npt.NDArray[np.uint64]

_COLUMNS = 4  # two for the normalized text, one for the exact row and its file, one for the place
_FILE_BITS = 16
_ROW_BITS = 32
"""The hashes of more rows or lines than this would take over a hundred gigabytes."""


class SeenRows:
    """The rows of a set of files, as hashes in order."""

    def __init__(self, *paths: Path) -> None:
        self._paths = paths
        self._hashes = array("Q")

    def add(self, example: Example, file: int = 0) -> None:
        """Add a row of file number `file`."""
        exact = _content(example)
        normalized = exact.casefold()
        for space in " \n\t\r":
            normalized = normalized.replace(space, "")
        line, row = example.place
        self._hashes.frombytes(_digest(normalized, 16))
        self._hashes.append(_digest_number(exact) << _FILE_BITS | file)
        self._hashes.append(line << _ROW_BITS | row)

    def duplicates(self) -> Iterator[RowIssue]:
        """A warning for each row that equals an earlier one."""
        import numpy as np

        rows = self._rows()
        order = np.lexsort((np.arange(len(rows)), rows[:, 1], rows[:, 0]))
        rows = rows[order]
        is_same = np.zeros(len(rows), bool)
        is_same[1:] = (rows[1:, :2] == rows[:-1, :2]).all(axis=1)
        firsts = np.maximum.accumulate(np.where(is_same, 0, np.arange(len(rows))))
        duplicates = np.flatnonzero(is_same)
        for index in duplicates[np.argsort(order[duplicates], kind="stable")]:
            yield self._same(rows[index], rows[firsts[index]], self)

    def also_in(self, other: "SeenRows", kind: IssueKind = "in both sets") -> Iterator[RowIssue]:
        """A warning for each row that is also in another set."""
        import numpy as np

        rows, others = self._rows(), other._rows()
        if not len(others):
            return
        others = others[np.lexsort((others[:, 1], others[:, 0]))]
        places = np.searchsorted(others[:, 0], rows[:, 0]).clip(max=len(others) - 1)
        is_same = (others[places, :2] == rows[:, :2]).all(axis=1)
        for index in np.flatnonzero(is_same):
            problem = self._same(rows[index], others[places[index]], other)
            yield replace(problem, kind=kind)

    def _same(self, row: "Hashes", first: "Hashes", other: "SeenRows") -> RowIssue:
        (path, place), (other_path, other_place) = self._location(row), other._location(first)
        where = "" if path == other_path else f" in {_name(other_path, path)}"
        is_exact = int(row[2]) >> _FILE_BITS == int(first[2]) >> _FILE_BITS
        except_for = "" if is_exact else ", except for case and white space"
        reason = f"is the same as {other_place}{where}{except_for}"
        return RowIssue(path, place, reason, "duplicate", is_warning=True)

    def _location(self, row: "Hashes") -> tuple[Path, RowLocation]:
        line, number = divmod(int(row[3]), 1 << _ROW_BITS)
        return self._paths[int(row[2]) % (1 << _FILE_BITS)], RowLocation(line, number)

    def _rows(self) -> "Hashes":
        import numpy as np

        return np.frombuffer(self._hashes, np.uint64).reshape(-1, _COLUMNS)


def _name(path: Path, beside: Path) -> str:
    """The name, with its folder's name if both files have the same name."""
    return path.name if path.name != beside.name else f"{path.absolute().parent.name}/{path.name}"


def _content(example: Example) -> str:
    if not isinstance(example, ChatExample):
        return example.text
    if example.untrained:
        content = [example.messages, example.tools, example.untrained]
        return json.dumps(content, sort_keys=True, default=str)
    if example.tools is None and all(len(message) == 2 for message in example.messages):
        # The checks reject text that contains the separator.
        return "\x00".join(f"{m['role']}\x00{m['content']}" for m in example.messages)
    return json.dumps([example.messages, example.tools], sort_keys=True, default=str)


def _digest_number(text: str) -> int:
    """A hash of 48 bits."""
    return int.from_bytes(_digest(text, 6), "little")


def _digest(text: str, size: int) -> bytes:
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=size).digest()
