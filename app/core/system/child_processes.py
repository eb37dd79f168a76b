"""Starts child processes: by spawning, as this process has threads, and with the terminal's signals
blocked until they are ready. Keeps the limit of open files, which a library lowers.

Ctrl-C and a closed terminal reach a program's children too. One that has yet to import what it
needs would print a traceback into the terminal; what to do is for its parent to say.
"""

import multiprocessing
import os
import resource
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from multiprocessing import connection
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerContext, SpawnContext
from multiprocessing.process import parent_process
from multiprocessing.resource_tracker import ensure_running

PROCESSES: SpawnContext | ForkServerContext = multiprocessing.get_context("spawn")


@contextmanager
def terminal_signals_blocked() -> Iterator[None]:
    """A process that is started inside never gets them; for this one they come afterwards."""
    ensure_running()  # else it is started with the first process, and lets them through again
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGHUP})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def begin_child(niceness: int = 0) -> None:
    """The first call in a child: what the terminal's signals mean is for its parent to say."""
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    with suppress(OSError):
        os.nice(niceness)


def end_with_parent(wanted: Connection, seconds: float = 0.0) -> threading.Event:
    """End this process `seconds` after its parent ends or closes `wanted`, even within a single
    operation. The event is set as soon as that happens."""
    should_end = threading.Event()

    def watch() -> None:
        if (parent := parent_process()) is not None:
            connection.wait([parent.sentinel, wanted])
            should_end.set()
            threading.Event().wait(seconds)
            os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
    return should_end


@contextmanager
def open_file_limit_kept() -> Iterator[None]:
    """Inside, calls of `resource.setrlimit` have no effect.

    mlx-lm lowers the limit for good when it is imported. A lowered hard limit can't be raised
    again, so the call itself must not happen.
    """
    set_limit = resource.setrlimit
    resource.setrlimit = lambda *_: None
    try:
        yield
    finally:
        resource.setrlimit = set_limit
