"""Starts child processes: by spawning, as this process has threads, and with the terminal's signals
blocked until they are ready. Keeps the limit of open files, which a library lowers.

Ctrl-C and a closed terminal reach a program's children too. One that has yet to import what it
needs would print a traceback into the terminal, so the parent handles these signals.
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
    """Processes started inside never receive them; this process receives them afterwards."""
    ensure_running()  # otherwise it starts with the first process, and unblocks them again
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGHUP})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def begin_child(niceness: int = 0) -> None:
    """The first call in a child process, whose parent handles the terminal's signals."""
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    with suppress(OSError):
        os.nice(niceness)


def end_with_parent(lifeline: Connection, seconds: float = 0.0) -> threading.Event:
    """End this process `seconds` after its parent ends or closes `lifeline`, even within a single
    operation. The event is set as soon as that happens."""
    should_end = threading.Event()

    def watch() -> None:
        if (parent := parent_process()) is not None:
            connection.wait([parent.sentinel, lifeline])
            should_end.set()
            threading.Event().wait(seconds)
            os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
    return should_end


@contextmanager
def open_file_limit_kept() -> Iterator[None]:
    """Calls of `resource.setrlimit` have no effect inside.

    mlx-lm lowers the limit for good when it is imported. A lowered hard limit can't be raised
    again, so the call itself must not happen.
    """
    set_limit = resource.setrlimit
    resource.setrlimit = lambda *_: None
    try:
        yield
    finally:
        resource.setrlimit = set_limit
