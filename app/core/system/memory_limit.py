"""The memory limit that Linux sets on a group of processes, as a container's or a service's.

Reads only small files of the system; knows nothing of MLX.
"""

from collections.abc import Iterator
from pathlib import Path

PROCESS = Path("/proc/self/cgroup")
ROOT = Path("/sys/fs/cgroup")
_V2_LIMIT, _V1_LIMIT = "memory.max", "memory.limit_in_bytes"


def memory_limit(process: Path = PROCESS, root: Path = ROOT) -> int | None:
    """Bytes: the narrowest limit of this process's group and of those it is in; None without."""
    limits = [limit for path in _limit_files(process, root) if (limit := _limit(path)) is not None]
    return min(limits, default=None)


def _limit_files(process: Path, root: Path) -> Iterator[Path]:
    try:
        lines = process.read_text(errors="replace").splitlines()
    except OSError:
        return
    for line in lines:  # hierarchy:controllers:path
        _, _, rest = line.partition(":")
        controllers, _, group = rest.partition(":")
        if not controllers:
            yield from _upwards(root, group, _V2_LIMIT)
            yield from _upwards(root / "unified", group, _V2_LIMIT)
        elif "memory" in controllers.split(","):
            yield from _upwards(root / "memory", group, _V1_LIMIT)


def _upwards(root: Path, group: str, name: str) -> Iterator[Path]:
    """In a container the group's path may be the host's: its root is looked at in any case."""
    place = root / group.strip("/")
    while place != root and place.is_relative_to(root):
        yield place / name
        place = place.parent
    yield root / name


def _limit(path: Path) -> int | None:
    """None for "max", and where nothing can be read."""
    try:
        return int(path.read_text())
    except (OSError, ValueError):
        return None
