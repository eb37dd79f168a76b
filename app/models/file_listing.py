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
    """Bytes of each regular file; of the file that a link leads to."""
    dead_links: tuple[str, ...] = ()
    """Links that lead to nothing."""
    state: tuple[tuple[str, int, int], ...] = ()
    """Name, size and time of change of each file."""

    def named(self, *patterns: str) -> list[str]:
        """The names that fit one of the patterns, in order."""
        return sorted(
            name for name in self.sizes if any(fnmatchcase(name, pattern) for pattern in patterns)
        )

    @property
    def digest(self) -> str:
        """Equal for folders whose files are the same, by name, size and time of change."""
        state = repr((self.state, self.dead_links)).encode("utf-8", "backslashreplace")
        return sha256(state).hexdigest()[:32]

    @property
    def size_bytes(self) -> int:
        return sum(self.sizes.values())


def read_folder_files(folder: Path) -> FolderFiles:
    """Raises OSError. Folders within it are not looked at: no model is loaded from them."""
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
