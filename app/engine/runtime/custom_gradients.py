"""Functions with custom gradients, which a tracing thread differentiates as they stand.

The switch is the thread's own: a run that computes beside a trace keeps its gradients.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol

import mlx.core as mx

from app.engine.runtime.named_arrays import ArrayFunction


class CustomFunction(Protocol):
    """A function of arrays, and the decorator of its gradient."""

    def __call__(self, *args: mx.array) -> Any: ...

    def vjp(self, gradient: ArrayFunction) -> ArrayFunction: ...


def custom_function(function: ArrayFunction) -> CustomFunction:
    """`mx.custom_function(function)`; in a thread inside `tracing`, `function` itself
    with a `vjp` that is ignored."""
    if _thread.is_tracing:
        return _Plain(function)
    custom: CustomFunction = mx.custom_function(function)
    return custom


@contextmanager
def tracing() -> Iterator[None]:
    """Inside, `custom_function` makes plain functions in this thread: `mx.export_function` can't
    export a gradient of their own."""
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
