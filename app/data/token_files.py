"""A store of tokenised rows on disk: one flat file an array, and a manifest that seals them.

Written aside and journalled, so that a stopped writing can go on; complete or absent under its own
name. What the rows were made from is known here only as a key.
"""

import json
import os
import shutil
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from itertools import islice
from pathlib import Path
from time import monotonic
from typing import IO, Any

import numpy as np

from app.core.files import plain_disk_errors, remove_folder, sync, write_json_atomic
from app.data.checked_file import KEPT_PROBLEMS
from app.data.examples import MODEL_KINDS, NO_EMBEDDING, RowProblem
from app.data.place import Place
from app.data.token_rows import TokenRows

VERSION = 3
MANIFEST = "manifest.json"
PROBLEMS = "problems"
JOURNAL = "journal.jsonl"

_TYPES: dict[str, Any] = {
    "tokens": np.uint32,
    "lengths": np.uint32,
    "spans": np.uint32,
    "span_counts": np.uint32,
    "places": np.int64,
    "digests": np.uint64,
    "last_reply_only": np.bool_,
}
_PAIRS = ("spans", "places")
_SECONDS_BETWEEN_ENTRIES = 5.0
_FULLY_CHECKED_BYTES = 256 * 2**20
"""Of a larger tokens file only the size is checked when it is opened, which then takes no time."""


@dataclass(frozen=True)
class TokenStore:
    """A complete store; its arrays are mapped from the disk."""

    folder: Path
    rows: TokenRows
    problem_count: int
    bad_row_count: int = 0
    """Those of the problems that are the file's, and not the model's."""
    file_digest: str = ""
    """SHA-256 of the file it was made from."""

    def problems(self, path: Path) -> Iterator[RowProblem]:
        """Rows of `path` that can't be tokenised, in the file's order."""
        with (self.folder / PROBLEMS).open(encoding="utf-8") as file:
            for line in file:
                place, reason, kind = json.loads(line)
                yield RowProblem(path, Place(*place), reason, kind)

    @property
    def refused_count(self) -> int:
        return self.problem_count - self.bad_row_count

    def refused(self, path: Path) -> Iterator[RowProblem]:
        """Those of the problems that are the model's."""
        problems = self.problems(path) if self.refused_count else iter(())
        return (problem for problem in problems if problem.kind in MODEL_KINDS)

    def without_embedding(self, path: Path) -> Iterator[RowProblem]:
        """Those of the model's problems that are tokens beyond its embedding."""
        return (problem for problem in self.refused(path) if problem.kind == NO_EMBEDDING)

    def first_problems(self, path: Path) -> tuple[RowProblem, ...]:
        return tuple(islice(self.problems(path), KEPT_PROBLEMS))


def open_store(folder: Path, key: str) -> TokenStore | None:
    """The store in `folder`; None if there is none, or if it is damaged or somebody else's."""
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        if (manifest["version"], manifest["key"]) != (VERSION, key):
            return None
        rows = TokenRows(**{name: _mapped(folder, name, manifest) for name in _TYPES})
        _checked(folder / PROBLEMS, manifest["files"][PROBLEMS])
        if int(rows.starts[-1]) != len(rows.tokens) or int(rows.span_starts[-1]) != len(rows.spans):
            return None
        os.utime(folder / MANIFEST)
        return TokenStore(folder, rows, manifest["problems"], manifest["bad_rows"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def reopen_store(folder: Path) -> TokenStore | None:
    """The store in `folder`, whatever it was made from; None if there is none or it is damaged."""
    try:
        key = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))["key"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return open_store(folder, key)


class StoreWriter:
    """Fills `folder`, aside of its name, from the beginning or from where a writing stopped."""

    def __init__(self, folder: Path, key: str, aside: Path) -> None:
        self._folder, self._key, self._aside = folder, key, aside
        self.taken = 0
        """Rows of the file dealt with so far, good or bad."""
        self.problem_count = self._bad_rows = 0
        self._sums = dict.fromkeys((*_TYPES, PROBLEMS), 0)
        self._files: dict[str, IO[bytes]] = {}
        with plain_disk_errors(folder):
            aside.mkdir(parents=True, exist_ok=True)
            self._go_on()
        self._journalled = monotonic()

    def append(self, rows: TokenRows, problems: Sequence[RowProblem], taken: int) -> None:
        """Add the next `taken` rows of the file: those that could be tokenised, and the others."""
        with plain_disk_errors(self._folder):
            for field in fields(rows):
                self._write(field.name, np.ascontiguousarray(getattr(rows, field.name)).tobytes())
            told = (json.dumps([one.place, one.reason, one.kind]) + "\n" for one in problems)
            self._write(PROBLEMS, "".join(told).encode())
            self.problem_count += len(problems)
            self._bad_rows += sum(problem.kind not in MODEL_KINDS for problem in problems)
            self.taken += taken
            if monotonic() - self._journalled > _SECONDS_BETWEEN_ENTRIES:
                self.journal()

    def journal(self) -> None:
        """Note what is on the disk, so that a later writing can go on from here."""
        with plain_disk_errors(self._folder):
            facts = self._facts()
            with (self._aside / JOURNAL).open("ab") as journal:
                journal.write((json.dumps(facts) + "\n").encode())
                journal.flush()
                os.fsync(journal.fileno())
        self._journalled = monotonic()

    def finish(self) -> TokenStore:
        """Seal the store and give it its name."""
        with plain_disk_errors(self._folder):
            manifest = {"version": VERSION, "key": self._key, **self._facts()}
            self.close()
            write_json_atomic(self._aside / MANIFEST, manifest)
            (self._aside / JOURNAL).unlink(missing_ok=True)
            if present := open_store(self._folder, self._key):  # somebody was quicker
                shutil.rmtree(self._aside)
                return present
            if self._folder.exists():
                remove_folder(self._folder)
            os.rename(self._aside, self._folder)
            sync(self._folder.parent)
        store = open_store(self._folder, self._key)
        if store is None:
            raise OSError(f"{self._folder} can't be read back")
        return store

    def close(self) -> None:
        for file in self._files.values():
            file.close()

    def _go_on(self) -> None:
        entry = _last_entry(self._aside, self._key)
        self.taken = entry.get("taken", 0)
        self.problem_count = entry.get("problems", 0)
        self._bad_rows = entry.get("bad_rows", 0)
        for name in self._sums:
            known = entry.get("files", {}).get(name, {"size": 0, "sum": 0})
            self._sums[name] = known["sum"]
            self._files[name] = (self._aside / name).open("ab")
            self._files[name].truncate(known["size"])

    def _write(self, name: str, content: bytes) -> None:
        self._files[name].write(content)
        self._sums[name] = zlib.crc32(content, self._sums[name])

    def _facts(self) -> dict[str, Any]:
        for file in self._files.values():
            file.flush()
            os.fsync(file.fileno())
        sizes = {name: (self._aside / name).stat().st_size for name in self._sums}
        return {
            "key": self._key,
            "taken": self.taken,
            "problems": self.problem_count,
            "bad_rows": self._bad_rows,
            "files": {n: {"size": sizes[n], "sum": self._sums[n]} for n in sizes},
        }


def _last_entry(aside: Path, key: str) -> dict[str, Any]:
    """The last whole entry of a stopped writing, if all that it speaks of is still there."""
    try:
        lines = (aside / JOURNAL).read_text(encoding="utf-8").split("\n")
        entry: dict[str, Any] = json.loads(lines[-2])
        files = entry["files"]
        there = all((aside / n).stat().st_size >= files[n]["size"] for n in (*_TYPES, PROBLEMS))
    except (OSError, ValueError, KeyError, IndexError, TypeError):
        return {}
    return entry if there and entry["key"] == key else {}


def _mapped(folder: Path, name: str, manifest: dict[str, Any]) -> Any:
    facts = manifest["files"][name]
    path = folder / name
    is_large = name == "tokens" and facts["size"] > _FULLY_CHECKED_BYTES
    _checked(path, facts, size_only=is_large)
    shape = (-1, 2) if name in _PAIRS else (-1,)
    if facts["size"] == 0:
        return np.zeros((0, 2) if name in _PAIRS else 0, _TYPES[name])
    # A plain array over the mapping: memmap's own class makes every slice slower.
    return np.asarray(np.memmap(path, _TYPES[name], "r")).reshape(shape)


def _checked(path: Path, facts: dict[str, int], size_only: bool = False) -> None:
    """Raise ValueError unless the file is what the manifest says."""
    if path.stat().st_size != facts["size"]:
        raise ValueError(path)
    if size_only:
        return
    total = 0
    with path.open("rb") as file:
        while block := file.read(2**20):
            total = zlib.crc32(block, total)
    if total != facts["sum"]:
        raise ValueError(path)
