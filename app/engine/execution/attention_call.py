"""MLX's attention replaced for the calls of one thread.

Models look `mx.fast.scaled_dot_product_attention` up at every call, so it is replaced in MLX's
module; other threads are passed on to MLX's own.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import mlx.core as mx

Attention = Callable[..., mx.array]


@contextmanager
def replaced_attention(by: Callable[[Attention], Attention]) -> Iterator[None]:
    """Inside, this thread's calls get `by(attention)`, made of the attention that it had before."""
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
    """MLX's own attention, while some thread has replaced it."""

    own: Attention | None = None
    users = 0

    def original(self) -> Attention:
        assert self.own is not None
        return self.own


def _install() -> None:
    fast = mx.fast
    with _lock:
        if not _installed.users:
            _installed.own = fast.scaled_dot_product_attention
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
