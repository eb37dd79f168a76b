"""A disk of a few kilobytes, to be filled and emptied, or made read-only."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

PAGE = 4096


class SmallDisk:
    """A tmpfs, mounted at `folder`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._filler = folder / "filler"

    def leave(self, free_bytes: int) -> None:
        """Have no more than that free, to whole pages."""
        self.empty()
        found = os.statvfs(self.folder)
        taken = found.f_bavail * found.f_frsize - free_bytes
        with self._filler.open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, max(1, taken))

    def empty(self) -> None:
        self._filler.unlink(missing_ok=True)

    def set_read_only(self, is_read_only: bool) -> None:
        how = "remount,ro" if is_read_only else "remount,rw"
        subprocess.run(["mount", "-o", how, str(self.folder)], check=True)


@contextmanager
def small_disk(folder: Path, size: str) -> Iterator[SmallDisk]:
    """Skips the test where nothing can be mounted."""
    folder.mkdir(parents=True, exist_ok=True)
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)], capture_output=True
    )
    if mounted.returncode:
        pytest.skip("only root can mount a small disk")
    try:
        yield SmallDisk(folder)
    finally:
        subprocess.run(["umount", str(folder)], check=True)
