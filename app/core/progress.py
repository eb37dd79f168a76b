"""Work in small steps: a generator that yields the share done, 0 to 1, and returns what it made.

Closing it stops the work in order.
"""

from collections.abc import Generator
from typing import TypeVar, cast

T = TypeVar("T")


def drain(work: Generator[object, None, T]) -> T:
    """What the work makes, for who has nobody to tell how far it is."""
    while True:
        try:
            next(work)
        except StopIteration as ended:
            return cast(T, ended.value)


def scaled_progress(
    work: Generator[float, None, T], before: float, size: float, whole: float
) -> Generator[float, None, T]:
    """The same work as a part of a whole: `size` bytes of `whole`, with `before` done already."""
    try:
        while True:
            yield (before + size * next(work)) / max(1, whole)
    except StopIteration as ended:
        return cast(T, ended.value)
    finally:
        work.close()
