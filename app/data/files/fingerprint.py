"""Computes digests and states of files to detect changes in datasets and base models.

Remembers the digest of a large file, which is hashed again only after it changed.
"""

import contextlib
import hashlib
import os
import threading
import time
from collections.abc import Collection, Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from app.core.errors import PUT_BACK, AppError, InputError
from app.core.files.atomic_files import read_json_object, write_json_atomic
from app.core.files.disks import ensure_own_folder
from app.core.files.paths import cache_dir
from app.core.progress import drain
from app.data.files.dataset_files import file_stat, find_files

_SMALL_BYTES = 2**20
"""Hashing a smaller file is faster than remembering its digest."""
_KEPT_FILES = 500
_MAX_INDEX_BYTES = 2**24
_CLOCK_NS = 2 * 10**9
"""A file written this recently could change again without a change of its timestamps."""
_BLOCK_BYTES = 2**20
_STEP_BYTES = 32 * 2**20
"""Bytes hashed between two yields; takes a few hundredths of a second."""
HASHING = 0.05
"""Approximate time to hash a byte, relative to the time to tokenize it."""
WAIT_AND_START = "Start again once nothing else writes to it."
"""The advice about a file that changed while it was read."""
_INDEX_LOCK = threading.Lock()


@dataclass(frozen=True)
class FileContent:
    """The digest of a file's content, and the file's state when it was read."""

    digest: str
    """SHA-256."""
    state: tuple[int, ...]
    """Changes if the file is written to, replaced or moved."""

    def is_still(self, path: Path) -> bool:
        return file_state(path) == self.state


def file_state(path: Path) -> tuple[int, ...] | None:
    """A value that changes if the file is written to, replaced or moved; None if it is missing."""
    try:
        return _state(path.stat())
    except OSError:
        return None


def stream_fingerprints(
    data: Path | None, valid: Path | None, mixed: Iterable[Path] = ()
) -> Generator[float, None, dict[str, str]]:
    """Path → SHA-256 of every file of the dataset and of the mixed datasets.

    Yields the share done, from 0 to 1. Raises InputError.
    """
    if data is None:
        return {}
    datasets = [find_files(data, valid), *map(find_files, mixed)]
    contents = yield from hash_files([path for one in datasets for path in one.all_files])
    return {str(path): content.digest for path, content in contents.items()}


@contextmanager
def unchanged(paths: Iterable[Path]) -> Iterator[None]:
    """Raise InputError, instead of any other InputError, if a file changes inside the block.

    For work that reads files more than once and must not mix two states.
    """
    before = {path: _state(file_stat(path)) for path in paths}
    try:
        yield
    except InputError:
        check_unchanged(before)
        raise
    check_unchanged(before)


def check_unchanged(before: Mapping[Path, tuple[int, ...]]) -> None:
    """Raise InputError if the state of a file differs from `before`."""
    for path, state in before.items():
        now = file_state(path)
        if now != state:
            change = "changed" if now else "disappeared"
            raise InputError(
                f"{path.name} {change} while it was read.",
                WAIT_AND_START if now else f"{PUT_BACK.capitalize()}.",
            )


def file_content(path: Path) -> FileContent:
    """The content of a file now. Raises InputError if it can't be read."""
    return drain(hash_file(path))


def hash_file(path: Path) -> Generator[int, None, FileContent]:
    """The content of a file; yields the number of bytes of each block read. Raises InputError."""
    try:
        with path.open("rb") as file:
            facts = os.fstat(file.fileno())
            state = _state(facts)
            if facts.st_size <= _SMALL_BYTES:
                return (yield from _hashed(file, state))
            name = str(path.absolute())
            if (known := _known(name)) and known.state == state:
                return known
            began = time.time_ns()
            content = yield from _hashed(file, state)
            # Don't remember a file that changed while it was read.
            is_whole = _state(os.fstat(file.fileno())) == state
            if is_whole and max(facts.st_mtime_ns, facts.st_ctime_ns) < began - _CLOCK_NS:
                _remember(name, content)
            return content
    except OSError as error:
        raise InputError(f"{path} can't be read: {error.strerror}.") from error


def hash_files(paths: Collection[Path]) -> Generator[float, None, dict[Path, FileContent]]:
    """The contents of several files; yields the share done every `_STEP_BYTES`."""
    contents: dict[Path, FileContent] = {}
    whole = max(1, bytes_to_hash(paths))
    done = shown = 0
    for path in paths:
        reading = hash_file(path)
        try:
            while True:
                done += next(reading)
                if done - shown >= _STEP_BYTES:
                    shown = done
                    yield min(1.0, done / whole)
        except StopIteration as ended:
            contents[path] = ended.value
        finally:
            reading.close()
    return contents


def bytes_to_hash(paths: Iterable[Path]) -> int:
    """The total size of large files without a remembered digest. Raises InputError."""
    sizes = {path: file_stat(path).st_size for path in paths}
    large = [path for path, size in sizes.items() if size > _SMALL_BYTES]
    return sum(sizes[path] for path in large if remembered_content(path) is None)


def remembered_content(path: Path) -> FileContent | None:
    """The remembered content of an unchanged file, else None; does not read the file."""
    known = _known(str(path.absolute()))
    return known if known and known.is_still(path) else None


def _hashed(file: BinaryIO, state: tuple[int, ...]) -> Generator[int, None, FileContent]:
    digest = hashlib.sha256()
    while block := file.read(_BLOCK_BYTES):
        digest.update(block)
        yield len(block)
    return FileContent(digest.hexdigest(), state)


def _state(facts: os.stat_result) -> tuple[int, ...]:
    # Unlike mtime, ctime can't be set back.
    return (facts.st_dev, facts.st_ino, facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns)


def _index_file() -> Path:
    return cache_dir() / "known_files.json"


def _known(name: str) -> FileContent | None:
    try:
        digest, state = read_json_object(_index_file(), _MAX_INDEX_BYTES)[name]
        return FileContent(str(digest), tuple(map(int, state)))
    except (KeyError, ValueError, TypeError):
        return None


def _remember(name: str, content: FileContent) -> None:
    # Errors are ignored: without the entry, the file is hashed again.
    with _INDEX_LOCK, contextlib.suppress(AppError, OSError):
        index = read_json_object(_index_file(), _MAX_INDEX_BYTES)
        index.pop(name, None)
        index[name] = [content.digest, content.state]
        kept = dict(list(index.items())[-_KEPT_FILES:])
        ensure_own_folder(_index_file().parent)
        write_json_atomic(_index_file(), kept)


FileStates = tuple[tuple[Path, tuple[int, ...] | None], ...]
"""Each file with its state; None for a missing file."""


def file_states(data: Path, valid: Path | None = None) -> FileStates:
    """The states of a dataset's files; they change if a file is written, replaced, moved or added.

    Empty if there is no dataset.
    """
    try:
        files = find_files(data, valid).all_files
    except InputError:
        return ()
    return tuple((path, file_state(path)) for path in files)
