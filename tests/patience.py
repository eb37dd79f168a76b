"""The one bound on every wait for a fact: it keeps a test from hanging, and asserts no speed."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

PATIENCE_SECONDS = 300
"""Far more than anything takes where other programs have the processor."""
PATIENCE_MS = 1000 * PATIENCE_SECONDS


@contextmanager
def patience() -> Iterator[Callable[[], bool]]:
    """Whether it is over, for who waits in a loop of Python."""
    is_over = threading.Event()
    timer = threading.Timer(PATIENCE_SECONDS, is_over.set)
    timer.daemon = True
    timer.start()
    try:
        yield is_over.is_set
    finally:
        timer.cancel()
