"""Lists a model folder's files with name and size, in one scan."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from hashlib import sha256
from pathlib import Path

MAX_FILES = 20_000


@dataclass(frozen=True)
class FolderFiles:
    sizes: Mapping[str, int]
    """Name → size in bytes of each regular file; links are followed."""
    dead_links: tuple[str, ...] = ()
    """Names of links to missing files."""
    state: tuple[tuple[str, int, int], ...] = ()
    """Name, size and modification time of each file."""

    def named(self, *patterns: str) -> list[str]:
        """The names that match one of the patterns, sorted."""
        return sorted(
            name for name in self.sizes if any(fnmatchcase(name, pattern) for pattern in patterns)
        )

    @property
    def digest(self) -> str:
        """Digest of the files' names, sizes and modification times."""
        state = repr((self.state, self.dead_links)).encode("utf-8", "backslashreplace")
        return sha256(state).hexdigest()[:32]

    @property
    def size_bytes(self) -> int:
        return sum(self.sizes.values())


def read_folder_files(folder: Path) -> FolderFiles:
    """The files of a folder, without subfolders, since no model loads from them. Raises OSError."""
    sizes: dict[str, int] = {}
    dead: list[str] = []
    state: list[tuple[str, int, int]] = []
    with os.scandir(folder) as entries:
        for number, entry in enumerate(entries):
            if number >= MAX_FILES:
                break
            try:
                stat_result = entry.stat()
            except OSError:
                dead.append(entry.name)
                continue
            if entry.is_file():
                sizes[entry.name] = stat_result.st_size
                state.append((entry.name, stat_result.st_size, stat_result.st_mtime_ns))
    return FolderFiles(sizes, tuple(sorted(dead)), tuple(sorted(state)))
