"""How much memory another process of the same user takes now, as its system counts it."""

import ctypes
import resource
import sys
from pathlib import Path

_FOOTPRINT_WORD = 9
"""Of macOS's rusage_info_v0: 16 bytes of a UUID, then words; the eighth is ri_phys_footprint."""
_WORDS = 12


def process_bytes(process: int) -> int:
    """Bytes of memory; 0 where the system does not say, or the process has ended."""
    return _mac_bytes(process) if sys.platform == "darwin" else _linux_bytes(process)


def _linux_bytes(process: int) -> int:
    try:
        pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
    except (OSError, ValueError, IndexError):
        return 0
    return pages * resource.getpagesize()


def _mac_bytes(process: int) -> int:
    """With what is compressed, which the resident size leaves out."""
    info = (ctypes.c_uint64 * _WORDS)()
    asking = ctypes.CDLL(None).proc_pid_rusage
    return 0 if asking(process, 0, ctypes.byref(info)) else int(info[_FOOTPRINT_WORD])
