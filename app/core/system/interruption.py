"""Interrupts foreign Python code in a marked region, on request or after a time limit.

A thread can't be ended, but an error can be raised in its Python code. A second thread checks
the regions from time to time. It raises nothing outside them, and nothing inside while a context
manager is entered or left there, so that whatever was replaced is put back.
"""

import contextlib
import ctypes
import sys
import threading
from collections.abc import Callable, Iterator
from math import inf
from time import monotonic, sleep
from types import FrameType
from typing import Any, NamedTuple

_SECONDS_BETWEEN_LOOKS = 0.1
_LOOKS_AT_NOTHING = 50
"""After this many checks without a region the second thread ends; the next region starts
another."""


class StoppedEarly(BaseException):
    """A stop was requested before there was anything to save.

    Not an Exception: callers of foreign code treat those as faults of that code.
    """


class _Region(NamedTuple):
    frame: FrameType
    """The frame of the function that has the region."""
    ends: float
    too_long: type[BaseException]


_lock = threading.Lock()
_regions: dict[int, _Region] = {}
"""Regions by thread; an interrupted region is removed."""
_stops: dict[int, Callable[[], bool]] = {}
"""By thread, whether its work should stop."""
_is_watched = False


@contextlib.contextmanager
def stopped_by(should_stop: Callable[[], bool]) -> Iterator[None]:
    """Inside, regions of this thread raise StoppedEarly soon after `should_stop` says so.

    It is asked on another thread.
    """
    thread = threading.get_ident()
    before = _stops.get(thread)
    _stops[thread] = should_stop
    try:
        yield
    finally:
        if before is None:
            del _stops[thread]
        else:
            _stops[thread] = before


def raise_if_stopped() -> None:
    """Raise StoppedEarly in a thread that checks for itself, as it waits for another process."""
    should_stop = _stops.get(threading.get_ident())
    if should_stop is not None and should_stop():
        raise StoppedEarly


class Interruptible:
    """A region, as a context manager; a class, as a generator would double the cost.

    Only for Python that may be interrupted at any point: its changes are discarded, or restored by
    context managers. Regions of one thread are not nested.
    """

    too_long: type[BaseException] = TimeoutError

    def ends(self) -> float:
        """When its time is over, by `monotonic`."""
        return inf

    def __enter__(self) -> None:
        global _is_watched
        region = _Region(sys._getframe(1), self.ends(), self.too_long)
        with _lock:
            _regions[threading.get_ident()] = region
            if _is_watched:
                return
            _is_watched = True
        threading.Thread(target=_watch, name="interrupting", daemon=True).start()

    def __exit__(self, *_: object) -> None:
        thread = threading.get_ident()
        with _lock:
            if _regions.pop(thread, None) is None:
                _interrupt(thread, None)  # it was interrupted just now, at its end


interruptible = Interruptible()
"""A region without a time limit."""


def _watch() -> None:
    looks_at_nothing = 0
    while True:
        sleep(_SECONDS_BETWEEN_LOOKS)
        looks_at_nothing = 0 if _looked_at_some() else looks_at_nothing + 1
        with _lock:
            if looks_at_nothing >= _LOOKS_AT_NOTHING and not _regions:
                _watch_no_more()
                return


def _looked_at_some() -> bool:
    """A separate function, because a reference to a region keeps its function's locals alive, a
    model too."""
    with _lock:
        regions = dict(_regions)
    for thread, region in regions.items():
        if error := _due(thread, region):
            _interrupt_region(thread, region, error)
    return bool(regions)


def _watch_no_more() -> None:
    global _is_watched
    _is_watched = False


def _due(thread: int, region: _Region) -> type[BaseException] | None:
    if region.ends < monotonic():
        return region.too_long
    should_stop = _stops.get(thread)
    return StoppedEarly if should_stop is not None and should_stop() else None


def _interrupt_region(thread: int, region: _Region, error: type[BaseException]) -> None:
    """Interrupt a region. One at a point that must not be interrupted is checked again soon."""
    if _IS_RAISED_LATER:
        _interrupt_at_a_line(thread, region, error)
    with _lock:
        # The thread waits for this one at a point that its frames show, and the error is raised
        # there; only within a call into C once that returns.
        if _regions.get(thread) is region and _is_free(sys._current_frames().get(thread), region):
            del _regions[thread]
            _interrupt(thread, error)


_IS_RAISED_LATER = sys.version_info >= (3, 13)
"""Python raises another thread's error at its next check, by which time a context manager may be
left by then."""


def _interrupt_at_a_line(thread: int, region: _Region, error: type[BaseException]) -> None:
    """Raise the error in the thread itself, at the beginning of a line.

    If no line begins, the thread is in a loop of one line or in a call into C: then it is still
    there where Python looks next, too.
    """
    monitoring: Any = sys.monitoring  # type: ignore[attr-defined]

    def look(*_: object) -> None:
        is_here = threading.get_ident() == thread and _regions.get(thread) is region
        if is_here and _is_free(sys._getframe(1), region):
            del _regions[thread]
            raise error

    monitoring.use_tool_id(_TOOL, "nestling")
    try:
        monitoring.register_callback(_TOOL, monitoring.events.LINE, look)
        monitoring.set_events(_TOOL, monitoring.events.LINE)
        for _ in range(_LOOKS_AT_LINES):
            sleep(_SECONDS_BETWEEN_LOOKS)
            if _regions.get(thread) is not region:
                return
    finally:
        monitoring.set_events(_TOOL, 0)
        monitoring.register_callback(_TOOL, monitoring.events.LINE, None)
        monitoring.free_tool_id(_TOOL)


_TOOL = 4
"""A tool identifier that Python does not use."""
_LOOKS_AT_LINES = 2


_IN_ORDER = {
    function.__code__.co_filename for function in (contextlib.contextmanager, Interruptible.ends)
}


def _is_free(frame: FrameType | None, region: _Region) -> bool:
    """Whether the thread is not entering or leaving a context manager."""
    while frame is not None and frame is not region.frame:
        if frame.f_code.co_filename in _IN_ORDER:
            return False
        frame = frame.f_back
    return frame is not None


def _interrupt(thread: int, error: type[BaseException] | None) -> None:
    raised = None if error is None else ctypes.py_object(error)
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), raised)
