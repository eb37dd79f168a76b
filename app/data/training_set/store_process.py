"""The token stores of a dataset, made by a process of its own beside a run that has begun.

It never imports MLX, leaves the processor to the run where both want it, and ends with its parent
or when it is not wanted any more; what it has done by then is kept for the next time.
"""

import os
import pickle
import signal
import threading
from contextlib import suppress
from multiprocessing import connection
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess, parent_process
from time import monotonic

from app.core.errors import AppError, RunError
from app.core.system import child_processes
from app.core.system.child_processes import terminal_signals_blocked
from app.data.chat.template_trial import known_problem, take_problem
from app.data.training_set.training_data import LaterRows, MixedFiles, opening_stores

_NICENESS = 10
_SECONDS_BETWEEN_SHARES = 0.2
_SECONDS_TO_END = 4.0
"""To close a lot and to write the journal."""
_DONE = "done"


class StoresInMaking:
    """What a run knows of the process, and its end."""

    def __init__(self, later: LaterRows) -> None:
        self._later = later
        self._process: BaseProcess | None = None
        self.share = 0.0
        """How much is done."""
        self._is_done = False

    def start(self) -> None:
        context = child_processes.PROCESSES
        self._told, telling = context.Pipe(duplex=False)
        wanted, self._wanting = context.Pipe(duplex=False)
        problem = known_problem(self._later.tokenizer.chat_template)
        given = pickle.dumps((problem, self._later))
        self._process = context.Process(target=_make, args=(given, telling, wanted))
        with terminal_signals_blocked():
            self._process.start()
        telling.close()
        wanted.close()

    def are_made(self, patience: float = 0.0) -> bool:
        """Whether all rows are tokens now, or so many seconds later. Raises RunError: why not."""
        while not self._is_done and self._told.poll(patience):
            patience = 0.0
            try:
                heard = self._told.recv()
            except (EOFError, OSError):
                raise RunError(
                    "The process that turned the other rows into tokens ended before it was done.",
                    "Go on with the run: what was done is kept. If it comes again, memory may be "
                    "short.",
                ) from None
            if isinstance(heard, RunError):
                raise heard
            self._is_done = heard == _DONE
            self.share = 1.0 if self._is_done else float(heard)
        return self._is_done

    def close(self) -> None:
        """End the process, which keeps what it has done."""
        if self._process is None:
            return
        self._wanting.close()
        self._process.join(_SECONDS_TO_END)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()
        self._told.close()
        self._process = None


def _make(given: bytes, telling: Connection, wanted: Connection) -> None:
    """What the process does."""
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # the parent decides
    with suppress(OSError):
        os.nice(_NICENESS)
    is_unwanted = threading.Event()
    threading.Thread(target=_watch, args=(wanted, is_unwanted), daemon=True).start()
    problem, later = pickle.loads(given)
    take_problem(later.tokenizer.chat_template, problem)
    try:
        _tell(telling, _DONE if _made(later, telling, is_unwanted) else 0.0)
    except AppError as error:
        _tell(telling, RunError(error.message, error.hint))


def _made(later: LaterRows, telling: Connection, is_unwanted: threading.Event) -> bool:
    datasets = [MixedFiles(later.files, 1.0, later.settings.rows.columns)]
    making = opening_stores(datasets, later.tokenizer, later.settings.rows, later.contents)
    told = monotonic()
    for share in making:
        if is_unwanted.is_set():
            making.close()
            return False
        if monotonic() - told > _SECONDS_BETWEEN_SHARES:
            told = monotonic()
            _tell(telling, share)
    return True


def _tell(telling: Connection, what: object) -> None:
    with suppress(OSError):  # the run has ended
        telling.send(what)


def _watch(wanted: Connection, is_unwanted: threading.Event) -> None:
    """One that is deep in a single operation doesn't see that nobody wants it any more."""
    parent = parent_process()
    if parent is not None:
        connection.wait([parent.sentinel, wanted])
        is_unwanted.set()
        threading.Event().wait(_SECONDS_TO_END)
        os._exit(1)
