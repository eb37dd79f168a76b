"""How much memory this machine has for the process, whatever computes in it."""

import os
import sys

from app.core.system.memory_limit import memory_limit

_SMALL_MAC_BYTES = 36 * 2**30


def machine_bytes() -> int:
    """What is installed, or what the system lets this process have of it."""
    installed = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return min(installed, memory_limit() or installed)


def training_bytes() -> int:
    """About what a run may use: on a Mac the share that Metal recommends for the GPU, elsewhere all
    of it. MLX knows it exactly (`app.engine.runtime.device_memory`), but takes a while to load."""
    return gpu_share(machine_bytes()) if sys.platform == "darwin" else machine_bytes()


def gpu_share(installed_bytes: int) -> int:
    """Two thirds on a Mac with up to 36 GB, three quarters on a larger one."""
    is_small = installed_bytes <= _SMALL_MAC_BYTES
    return installed_bytes * 2 // 3 if is_small else installed_bytes * 3 // 4
