"""Limits how far MLX runs ahead of a GPU while layers are recomputed to save memory.

MLX hands operations over long before the GPU comes to them, and keeps what they read until then: at
a step's peak that was as much again as its operations need one after the other
(tests/benchmarks/README.md). Above its memory limit it waits instead. So what a step needs is
measured once with a limit of nothing, and the limit of later steps lies a little above that.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import mlx.core as mx

HEADROOM = 1.1
"""To what a step needs: less, and MLX waits so often that the GPU has to wait too."""


class RunAheadLimit:
    """Of one run's steps; without effect until something was measured."""

    def __init__(self) -> None:
        self.needed_bytes = 0
        """Beyond what was held before; 0 until measured."""

    @contextmanager
    def measure(self) -> Iterator[None]:
        """Inside, a step is computed with nothing running ahead, and what it needs is noted."""
        active_bytes = mx.get_active_memory()
        mx.reset_peak_memory()
        with _limited_to(0):
            yield
            mx.synchronize()
        self.needed_bytes = max(self.needed_bytes, mx.get_peak_memory() - active_bytes)

    @contextmanager
    def enforced(self) -> Iterator[None]:
        """Inside, MLX waits for the GPU rather than hold much more than the largest step needs."""
        if not self.needed_bytes:
            yield
            return
        with _limited_to(mx.get_active_memory() + int(HEADROOM * self.needed_bytes)):
            yield


@contextmanager
def _limited_to(limit_bytes: int) -> Iterator[None]:
    """A limit that MLX keeps where waiting helps, and passes where it doesn't."""
    before = mx.set_memory_limit(limit_bytes)
    try:
        yield
    finally:
        mx.set_memory_limit(before)
