"""The format of a token store on disk: one flat file per array, and a manifest with checksums.

A store is written under a temporary name with a journal, so that writing can be resumed; under its
final name it is complete. Tokens are read on demand, and each block is checked when it is read. A
damaged store is discarded and built again at the next opening. A key identifies the source of the
rows.
"""

import json
import os
import zlib
from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from time import monotonic
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from app.core.errors import RunError
from app.core.files.atomic_files import disk_errors_as_app_errors, sync, write_json_atomic
from app.core.files.folders import make_folder, remove_known_files, vacate_folder
from app.core.files.strict_parsing import parse_json
from app.core.files.untrusted_files import open_private
from app.data.row_values import MODEL_KINDS, STOPPING_KINDS, RowIssue, RowLocation
from app.data.tokens.block_file import BLOCK_BYTES, BlockFile, BlockSums, sums_of
from app.data.tokens.tokenized_examples import TokenRows

VERSION = 6
MANIFEST = "manifest.json"
PROBLEMS = "problems"
SUMS = "sums"
"""The checksums of all files' blocks, in the manifest's order."""
JOURNAL = "journal.jsonl"

_TYPES: dict[str, type[np.generic]] = {
    "tokens": np.uint32,
    "lengths": np.uint32,
    "spans": np.uint32,
    "span_counts": np.uint32,
    "places": np.int64,
    "digests": np.uint64,
    "last_reply_only": np.bool_,
    "notes": np.uint16,
}
STORE_FILES = (MANIFEST, PROBLEMS, SUMS, JOURNAL, *_TYPES)
"""All files of a store's folder."""
_SHAPES = {"spans": (-1, 2), "places": (-1, 2)}
_TOKEN_BYTES = 4
OpenFile = Callable[[], BlockFile]
"""Opens one file of a store. Only the file of tokens stays open, because a dataset may have more
files than a process may open."""
_SECONDS_BETWEEN_ENTRIES = 5.0
CHECKED_WHEN_OPENED_BYTES = 256 * 2**20
"""A larger token file is not checked when it is opened, only block by block when it is read."""


@dataclass(frozen=True)
class TokenStore:
    """A complete store; its tokens stay on disk, its other arrays are in memory."""

    folder: Path
    rows: TokenRows
    open_problems: OpenFile
    problem_count: int
    bad_row_count: int = 0
    """Issues that don't depend on the model."""
    examples: int = 0
    """Valid rows of the file, including those that the model rejects."""
    file_digest: str = ""
    """SHA-256 of the file from which it was built."""

    def problems(self, path: Path) -> Iterator[RowIssue]:
        """Yield the rows of `path` that are not tokenized, in file order. Raises RunError."""
        rest = b""
        with dropped_if_damaged(self.folder):
            for part in self.open_problems().parts():
                *lines, rest = (rest + part).split(b"\n")
                for line in lines:
                    place, reason, kind = parse_json(line)
                    yield RowIssue(path, RowLocation(*place), reason, kind)

    @property
    def refused_count(self) -> int:
        return self.problem_count - self.bad_row_count

    def refused(self, path: Path) -> Iterator[RowIssue]:
        """Yield the issues that depend on the model."""
        problems = self.problems(path) if self.refused_count else iter(())
        return (problem for problem in problems if problem.kind in MODEL_KINDS)

    def stopping(self, path: Path) -> Iterator[RowIssue]:
        """Yield the model's issues that stop a run unless invalid rows are skipped."""
        return (problem for problem in self.refused(path) if problem.kind in STOPPING_KINDS)


class StoredTokens:
    """The tokens of all rows, read on demand.

    Raises RunError if the file is damaged.
    """

    def __init__(self, folder: Path, file: BlockFile) -> None:
        self._folder, self._file = folder, file

    def __len__(self) -> int:
        return self._file.size // _TOKEN_BYTES

    def __getitem__(self, part: slice) -> npt.NDArray[np.uint32]:
        start, stop, _ = part.indices(len(self))
        with dropped_if_damaged(self._folder):
            content = self._file.read(start * _TOKEN_BYTES, stop * _TOKEN_BYTES)
        return np.frombuffer(content, np.uint32)


@contextmanager
def dropped_if_damaged(folder: Path) -> Iterator[None]:
    """Inside, damage of a store raises RunError and marks the store as unusable."""
    try:
        yield
    except (OSError, ValueError) as error:
        with suppress(OSError):
            (folder / MANIFEST).unlink()
        reason = (error.strerror if isinstance(error, OSError) else None) or error
        raise RunError(
            f"The token cache {folder} is damaged: {reason}.",
            "Resume the run, or start it again: its rows are tokenized again.",
        ) from error


def open_store(folder: Path, key: str) -> TokenStore | None:
    """The store in `folder`; None if it is missing, damaged, or has another key."""
    try:
        manifest = parse_json((folder / MANIFEST).read_text(encoding="utf-8"))
        if (manifest["version"], manifest["key"]) != (VERSION, key):
            return None
        files = _files(folder, manifest["files"])
        rows = _rows(folder, files)
        files[PROBLEMS]().check()
        if int(rows.starts[-1]) != len(rows.tokens) or int(rows.span_starts[-1]) != len(rows.spans):
            return None
        os.utime(folder / MANIFEST)
        problems, bad_rows = manifest["problems"], manifest["bad_rows"]
        examples = manifest["taken"] - bad_rows
        return TokenStore(folder, rows, files[PROBLEMS], problems, bad_rows, examples)
    except (OSError, ValueError, KeyError, TypeError):
        return None


def reopen_store(folder: Path) -> TokenStore | None:
    """The store in `folder`, whatever its key; None if it is missing or damaged."""
    try:
        key = parse_json((folder / MANIFEST).read_text(encoding="utf-8"))["key"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return open_store(folder, key)


class StoreWriter:
    """Writes a store under a temporary name, from the beginning or from where writing stopped."""

    def __init__(self, folder: Path, key: str, aside: Path) -> None:
        self._folder, self._key, self._aside = folder, key, aside
        self.rows_read = 0
        """Rows of the file processed so far, valid or not."""
        self.problem_count = self._bad_rows = 0
        self._sums = {name: BlockSums() for name in (*_TYPES, PROBLEMS)}
        self._files: dict[str, IO[bytes]] = {}
        with disk_errors_as_app_errors(folder):
            make_folder(aside)
            self._resume()
        self._journalled = monotonic()

    def append(self, rows: TokenRows, problems: Sequence[RowIssue], rows_read: int) -> None:
        """Add the next `rows_read` rows of the file: tokenized ones, and issues."""
        with disk_errors_as_app_errors(self._folder):
            for name in _TYPES:
                self._write(name, np.ascontiguousarray(getattr(rows, name)).tobytes())
            lines = (json.dumps([one.place, one.reason, one.kind]) + "\n" for one in problems)
            self._write(PROBLEMS, "".join(lines).encode())
            self.problem_count += len(problems)
            self._bad_rows += sum(problem.kind not in MODEL_KINDS for problem in problems)
            self.rows_read += rows_read
            if monotonic() - self._journalled > _SECONDS_BETWEEN_ENTRIES:
                self.journal()

    def journal(self) -> None:
        """Record the state on disk, so that writing can be resumed from here."""
        with disk_errors_as_app_errors(self._folder):
            facts = self._facts()
            with open_private(self._aside / JOURNAL, "ab") as journal:
                journal.write((json.dumps(facts) + "\n").encode())
                journal.flush()
                os.fsync(journal.fileno())
        self._journalled = monotonic()

    def finish(self) -> TokenStore:
        """Write the manifest and rename the store to its final name."""
        with disk_errors_as_app_errors(self._folder):
            manifest = {"version": VERSION, "key": self._key, **self._facts()}
            self.close()
            with open_private(self._aside / SUMS, "wb") as file:
                file.write(b"".join(one.sums for one in self._sums.values()))
            sync(self._aside / SUMS)
            write_json_atomic(self._aside / MANIFEST, manifest)
            (self._aside / JOURNAL).unlink(missing_ok=True)
            if present := open_store(self._folder, self._key):  # another process was faster
                remove_known_files(self._aside, STORE_FILES)
                return present
            if self._folder.exists():
                vacate_folder(self._folder, STORE_FILES)  # another version may have files in it
            os.rename(self._aside, self._folder)
            sync(self._folder.parent)
        store = open_store(self._folder, self._key)
        if store is None:
            raise OSError(f"{self._folder} can't be read back")
        return store

    def close(self) -> None:
        for file in self._files.values():
            file.close()

    def _resume(self) -> None:
        entry = _last_entry(self._aside, self._key)
        self.rows_read = entry.get("taken", 0)
        self.problem_count = entry.get("problems", 0)
        self._bad_rows = entry.get("bad_rows", 0)
        self._sums |= entry.get("sums", {})
        for name, known in self._sums.items():
            self._files[name] = open_private(self._aside / name, "ab")
            self._files[name].truncate(known.size)

    def _write(self, name: str, content: bytes) -> None:
        self._files[name].write(content)
        self._sums[name].add(content)

    def _facts(self) -> dict[str, Any]:
        for file in self._files.values():
            file.flush()
            os.fsync(file.fileno())
        return {
            "key": self._key,
            "taken": self.rows_read,
            "problems": self.problem_count,
            "bad_rows": self._bad_rows,
            "files": {n: {"size": s.size, "sum": s.own_sum} for n, s in self._sums.items()},
        }


def _last_entry(aside: Path, key: str) -> dict[str, Any]:
    """The last complete journal entry, if the files still match it; else empty."""
    try:
        lines = (aside / JOURNAL).read_text(encoding="utf-8").split("\n")
        entry: dict[str, Any] = parse_json(lines[-2])
        files = entry["files"]
        sums = {name: sums_of(aside / name, files[name]["size"]) for name in (*_TYPES, PROBLEMS)}
        is_whole = all(one.own_sum == files[name]["sum"] for name, one in sums.items())
    except (OSError, ValueError, KeyError, IndexError, TypeError):
        return {}
    return entry | {"sums": sums} if is_whole and entry["key"] == key else {}


def _files(folder: Path, facts: Mapping[str, Mapping[str, int]]) -> dict[str, OpenFile]:
    """Name → a function that opens that file of the store. Raises OSError or ValueError."""
    content = (folder / SUMS).read_bytes()
    files: dict[str, OpenFile] = {}
    for name in (*_TYPES, PROBLEMS):
        size = -(-facts[name]["size"] // BLOCK_BYTES) * array("I").itemsize
        sums, content = content[:size], content[size:]
        if zlib.crc32(sums) != facts[name]["sum"]:
            raise ValueError(folder / SUMS)
        files[name] = partial(BlockFile, folder / name, facts[name]["size"], array("I", sums))
    return files


def _rows(folder: Path, files: Mapping[str, OpenFile]) -> TokenRows:
    tokens = files["tokens"]()
    if tokens.size <= CHECKED_WHEN_OPENED_BYTES:
        tokens.check()
    arrays = {
        name: np.frombuffer(b"".join(files[name]().parts()), kind).reshape(_SHAPES.get(name, -1))
        for name, kind in _TYPES.items()
        if name != "tokens"
    }
    return TokenRows(tokens=StoredTokens(folder, tokens), **arrays)
