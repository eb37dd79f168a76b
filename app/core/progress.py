"""Work in small steps: a generator that yields the share done, 0 to 1, and returns its result.

Closing it stops the work in order.
"""

from collections.abc import Callable, Generator
from contextlib import closing
from time import monotonic
from typing import TypeVar, cast

A = TypeVar("A")
B = TypeVar("B")
T = TypeVar("T")


def drain(work: Generator[object, None, T]) -> T:
    """Run the work to its end and return its result."""
    while True:
        try:
            next(work)
        except StopIteration as ended:
            return cast(T, ended.value)


def mapped(work: Generator[A, None, T], change: Callable[[A], B]) -> Generator[B, None, T]:
    """The same work, which yields `change` of each of its steps."""
    with closing(work):
        while True:
            try:
                step = next(work)
            except StopIteration as ended:
                return cast(T, ended.value)
            yield change(step)


def throttled(
    work: Generator[A, None, T], seconds: float, *, at_once: bool = False
) -> Generator[A, None, T]:
    """The same work, which yields at most once per interval; with `at_once`, also its first
    step."""
    yielded_at = 0.0 if at_once else monotonic()
    with closing(work):
        while True:
            try:
                step = next(work)
            except StopIteration as ended:
                return cast(T, ended.value)
            if monotonic() - yielded_at > seconds:
                yielded_at = monotonic()
                yield step


def scaled_progress(
    work: Generator[float, None, T], before: float, size: float, whole: float
) -> Generator[float, None, T]:
    """The same work as a part of a whole: `size` bytes of `whole`, with `before` done already."""
    return mapped(work, lambda share: (before + size * share) / max(1, whole))
