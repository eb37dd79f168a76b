"""Replaces MLX's attention for the calls of one thread.

Models look up `mx.fast.scaled_dot_product_attention` at every call, so it is replaced in MLX's
module; calls of other threads go to MLX's attention.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import mlx.core as mx

Attention = Callable[..., mx.array]


@contextmanager
def replaced_attention(by: Callable[[Attention], Attention]) -> Iterator[None]:
    """Inside, this thread's calls go to `by(previous)`, where `previous` is the attention that was
    active before."""
    _install()
    before = _thread.attention
    _thread.attention = by(before or _installed.original())
    try:
        yield
    finally:
        _thread.attention = before
        _uninstall()


def _attention(*args: mx.array, **options: object) -> mx.array:
    return (_thread.attention or _installed.original())(*args, **options)


class _Installed:
    """MLX's attention, and the number of threads' replacements in effect."""

    mlx_attention: Attention | None = None
    users = 0

    def original(self) -> Attention:
        assert self.mlx_attention is not None
        return self.mlx_attention


def _install() -> None:
    fast = mx.fast
    with _lock:
        if not _installed.users:
            _installed.mlx_attention = fast.scaled_dot_product_attention
            fast.scaled_dot_product_attention = _attention
        _installed.users += 1


def _uninstall() -> None:
    with _lock:
        _installed.users -= 1
        if not _installed.users:
            mx.fast.scaled_dot_product_attention = _installed.original()


_installed = _Installed()
_lock = threading.Lock()


class _Thread(threading.local):
    attention: Attention | None = None


_thread = _Thread()
