"""Functions with custom gradients, which a tracing thread replaces by automatic ones.

The switch is thread-local, so a run beside a trace keeps its custom gradients.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol

import mlx.core as mx

from app.engine.runtime.named_arrays import ArrayFunction


class CustomFunction(Protocol):
    """A function of arrays; `vjp` decorates its gradient."""

    def __call__(self, *args: mx.array) -> Any: ...

    def vjp(self, gradient: ArrayFunction) -> ArrayFunction: ...


def custom_function(function: ArrayFunction) -> CustomFunction:
    """`mx.custom_function(function)`; inside `tracing`, a plain function that ignores its `vjp`."""
    if _thread.is_tracing:
        return _Plain(function)
    custom: CustomFunction = mx.custom_function(function)
    return custom


@contextmanager
def tracing() -> Iterator[None]:
    """Inside, `custom_function` returns plain functions in this thread, because
    `mx.export_function` can't export custom gradients."""
    before = _thread.is_tracing
    _thread.is_tracing = True
    try:
        yield
    finally:
        _thread.is_tracing = before


def is_tracing() -> bool:
    """Whether this thread is inside `tracing`."""
    return _thread.is_tracing


class _Thread(threading.local):
    is_tracing = False


_thread = _Thread()


class _Plain:
    """Stands in for `mx.custom_function`: calls the function and drops its gradient."""

    def __init__(self, function: ArrayFunction) -> None:
        self._function = function

    def __call__(self, *args: mx.array) -> Any:
        return self._function(*args)

    def vjp(self, gradient: ArrayFunction) -> ArrayFunction:
        return gradient
