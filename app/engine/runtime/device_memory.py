"""How much memory this machine gives a run: the one place that asks it."""

import mlx.core as mx

from app.core.system.memory import machine_bytes

_DEVICE_KEYS = ("max_recommended_working_set_size", "total_memory", "memory_size")
"""What MLX calls it on Metal and on CUDA, the narrowest first."""


def available_bytes() -> int:
    """What the GPU may use at best; where MLX computes on the CPU, the machine's memory or what the
    system lets this process have of it."""
    facts = mx.device_info()
    for key in _DEVICE_KEYS:
        if isinstance(size := facts.get(key), int) and size > 0:
            return size
    return machine_bytes()
