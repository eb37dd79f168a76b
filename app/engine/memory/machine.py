"""How much memory this machine gives a run: the one place that asks it."""

import os

from app.engine.mlx_gateway import import_mlx

_DEVICE_KEYS = ("max_recommended_working_set_size", "total_memory", "memory_size")
"""What MLX calls it on Metal and on CUDA, the narrowest first."""


def available_bytes() -> int:
    """What the GPU may use at best; where MLX computes on the CPU, all of the machine's memory."""
    mx = import_mlx()
    facts = mx.device_info()
    for key in _DEVICE_KEYS:
        if isinstance(size := facts.get(key), int) and size > 0:
            return size
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
