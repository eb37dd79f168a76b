"""Atomic writes: a file is written under another name, synced to the disk, then renamed. JSON files
are written so, and read leniently where nothing depends on them.
"""

import errno
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from glob import escape
from pathlib import Path
from typing import Any

from app.core.errors import TRY_AGAIN, AppError
from app.core.files.strict_parsing import parse_json
from app.core.files.untrusted_files import PRIVATE_FILE, create_file, read_regular

PARTIAL_SUFFIX = ".partial"


def write_atomic(path: Path, write: Callable[[Path], object], *, mode: int = PRIVATE_FILE) -> None:
    """Let `write` fill a file beside `path`, then replace `path` with it in one step.

    An existing file stays intact until the new one is complete, whose mode is `mode`. Raises
    AppError when the disk is full or the folder can't be written.
    """
    aside = partial_path(path)
    with disk_errors_as_app_errors(path):
        for left in stale_partials(path):
            left.unlink(missing_ok=True)
        aside.unlink(missing_ok=True)  # from an earlier process with the same number
        create_file(aside, mode).close()
        try:
            write(aside)
            sync(aside)
            os.replace(aside, path)
            sync(path.parent)
        except BaseException:
            aside.unlink(missing_ok=True)
            raise


def write_bytes_atomic(path: Path, content: bytes, *, mode: int = PRIVATE_FILE) -> None:
    write_atomic(path, lambda aside: aside.write_bytes(content), mode=mode)


def write_text_atomic(path: Path, text: str, *, mode: int = PRIVATE_FILE) -> None:
    write_bytes_atomic(path, text.encode(), mode=mode)


def is_folder(entry: "os.DirEntry[str]") -> bool:
    """False also for a link that leads to itself, for which `is_dir` raises."""
    try:
        return entry.is_dir()
    except OSError:
        return False


@contextmanager
def disk_errors_as_app_errors(path: Path) -> Iterator[None]:
    """Turn errors of the disk into AppErrors; other errors pass unchanged."""
    try:
        yield
    except OSError as error:
        raise disk_error(error, path) from error


def disk_error(error: OSError, path: Path) -> AppError:
    """The AppError for a failed read or write at `path`."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return AppError(
            f"The disk is full: {path} could not be written.",
            f"Free some space, {TRY_AGAIN}; everything saved before is intact.",
        )
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return AppError(
            f"Nestling has no permission to write to {path}.", "Choose a folder you can write to."
        )
    if error.errno == errno.ENAMETOOLONG:
        return AppError(
            f"The name {path.name[:40]}… is too long for a file.", "Choose a shorter name."
        )
    if error.errno == errno.EFBIG:
        return AppError(
            f"{path} would be larger than this disk allows a file to be.", "Choose another disk."
        )
    if error.errno in (errno.ENOTDIR, errno.EEXIST):
        return AppError(
            f"{path} can't be a folder: a file is in its place.", "Choose another folder."
        )
    if error.errno == errno.ENOENT and not path.parent.exists():
        return AppError(f"The folder {path.parent} is gone: {path.name} could not be written.")
    return AppError(f"{path} could not be written: {error.strerror or error}.")


def partial_path(path: Path) -> Path:
    """The name of a half-written file or folder, unique to this process."""
    return path.with_name(f"{path.name}.{os.getpid()}{PARTIAL_SUFFIX}")


def stale_partials(path: Path) -> Iterator[Path]:
    """Half-written files or folders of processes that have ended."""
    for left in path.parent.glob(f"{escape(path.name)}.*{PARTIAL_SUFFIX}"):
        process = left.name.removesuffix(PARTIAL_SUFFIX).rpartition(".")[2]
        if process.isdecimal() and not is_alive(int(process)):
            yield left


def is_alive(process: int) -> bool:
    """Whether any user has a process with this number."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        pass
    return True


def sync(path: Path) -> None:
    """Wait until the content of a file or folder is on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def read_json_object(path: Path, max_bytes: int) -> dict[str, Any]:
    """The JSON object in a file; an empty one if it can't be read."""
    try:
        value = parse_json(read_regular(path, max_bytes, follow_links=True))
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}


def write_json_atomic(path: Path, value: Any) -> None:
    """Write `value` as readable JSON. Raises ValueError for NaN, which JSON doesn't have."""
    text = json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    write_bytes_atomic(path, json_bytes(text))


def json_bytes(text: str) -> bytes:
    """JSON as UTF-8. A file name that is not UTF-8 is escaped, and reads back unchanged."""
    return text.encode(errors="backslashreplace")
