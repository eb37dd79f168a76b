"""Memory of this machine, of this process by its limits, and of other processes.

Reads only the system's own figures; knows nothing of MLX.
"""

import ctypes
import os
import resource
import sys
from collections.abc import Iterator
from pathlib import Path

_SMALL_MAC_BYTES = 36 * 2**30


def machine_bytes() -> int:
    """Installed memory, or the limit of this process."""
    installed = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return min(installed, memory_limit() or installed)


def training_bytes() -> int:
    """About what a run may use: on a Mac the share that Metal recommends for the GPU, elsewhere all
    of it. MLX knows it exactly (`app.engine.runtime.mlx_runtime`), but takes a while to load."""
    return gpu_share(machine_bytes()) if sys.platform == "darwin" else machine_bytes()


def gpu_share(installed_bytes: int) -> int:
    """Two thirds on a Mac with up to 36 GB, three quarters on a larger one."""
    is_small = installed_bytes <= _SMALL_MAC_BYTES
    return installed_bytes * 2 // 3 if is_small else installed_bytes * 3 // 4


PROCESS = Path("/proc/self/cgroup")
ROOT = Path("/sys/fs/cgroup")
_V2_LIMIT, _V1_LIMIT = "memory.max", "memory.limit_in_bytes"


def memory_limit(process: Path = PROCESS, root: Path = ROOT) -> int | None:
    """The smallest limit of this process's control groups, in bytes; None without a limit."""
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
    """The group's folder and those above it, to the root: in a container the path may be the
    host's."""
    place = root / group.strip("/")
    while place != root and place.is_relative_to(root):
        yield place / name
        place = place.parent
    yield root / name


def _limit(path: Path) -> int | None:
    """A limit in bytes; None for "max", and if it can't be read."""
    try:
        return int(path.read_text())
    except (OSError, ValueError):
        return None


_FOOTPRINT_WORD = 9
"""macOS's rusage_info_v0: 16 bytes of UUID, then words; the eighth is ri_phys_footprint."""
_WORDS = 12


def process_bytes(process: int) -> int:
    """A process's memory in bytes; 0 if it is unknown or the process has ended."""
    return _mac_bytes(process) if sys.platform == "darwin" else _linux_bytes(process)


def _linux_bytes(process: int) -> int:
    try:
        pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
    except (OSError, ValueError, IndexError):
        return 0
    return pages * resource.getpagesize()


def _mac_bytes(process: int) -> int:
    """Includes compressed memory, which the resident size leaves out."""
    info = (ctypes.c_uint64 * _WORDS)()
    asking = ctypes.CDLL(None).proc_pid_rusage
    return 0 if asking(process, 0, ctypes.byref(info)) else int(info[_FOOTPRINT_WORD])
