"""How much memory this machine has for the process, whatever computes in it."""

import os

from app.core.cgroup import memory_limit


def machine_bytes() -> int:
    """What is installed, or what the system lets this process have of it."""
    installed = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return min(installed, memory_limit() or installed)
