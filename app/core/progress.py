"""Work in small steps: a generator that yields the share done, 0 to 1, and returns what it made.

Closing it stops the work in order.
"""

from collections.abc import Generator
from typing import TypeVar, cast

Made = TypeVar("Made")


def run_to_end(work: Generator[object, None, Made]) -> Made:
    """What the work makes, for who has nobody to tell how far it is."""
    while True:
        try:
            next(work)
        except StopIteration as ended:
            return cast(Made, ended.value)


def part_of_whole(
    work: Generator[float, None, Made], before: float, size: float, whole: float
) -> Generator[float, None, Made]:
    """The same work as a part of a whole: `size` bytes of `whole`, with `before` done already."""
    try:
        while True:
            yield (before + size * next(work)) / max(1, whole)
    except StopIteration as ended:
        return cast(Made, ended.value)
    finally:
        work.close()
