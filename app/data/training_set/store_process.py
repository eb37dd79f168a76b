"""Builds the token stores of a dataset in a process of its own, beside a run that has begun.

It never imports MLX, has a low priority, and ends with its parent or when the run needs it no more;
unfinished stores are kept for the next time.
"""

import pickle
import threading
from contextlib import suppress
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from time import monotonic

from app.core.errors import AppError, RunError
from app.core.system import child_processes
from app.core.system.child_processes import begin_child, end_with_parent, terminal_signals_blocked
from app.data.chat.template_trial import known_problem, set_known_problem
from app.data.training_set.training_data import LaterRows, MixedFiles, open_or_build_stores

_NICENESS = 10
_SECONDS_BETWEEN_SHARES = 0.2
_SECONDS_TO_END = 4.0
"""Enough to close a chunk and to write the journal."""
_DONE = "done"


class StoreBuilder:
    """Starts the process, follows its progress and ends it."""

    def __init__(self, later: LaterRows) -> None:
        self._later = later
        self._process: BaseProcess | None = None
        self.share = 0.0
        """The share done, from 0 to 1."""
        self._is_done = False

    def start(self) -> None:
        context = child_processes.PROCESSES
        self._results, results = context.Pipe(duplex=False)
        keep_alive, self._keep_alive = context.Pipe(duplex=False)
        problem = known_problem(self._later.tokenizer.chat_template)
        payload = pickle.dumps((problem, self._later))
        self._process = context.Process(target=_run, args=(payload, results, keep_alive))
        with terminal_signals_blocked():
            self._process.start()
        results.close()
        keep_alive.close()

    def are_ready(self, patience: float = 0.0) -> bool:
        """Whether all rows are tokenized, waiting up to `patience` seconds.

        Raises RunError if the process failed.
        """
        while not self._is_done and self._results.poll(patience):
            patience = 0.0
            try:
                message = self._results.recv()
            except (EOFError, OSError):
                raise RunError(
                    "The process that tokenizes the other rows ended before it was done.",
                    "Resume the run: the finished part is kept. If it happens again, memory may be "
                    "short.",
                ) from None
            if isinstance(message, RunError):
                raise message
            self._is_done = message == _DONE
            self.share = 1.0 if self._is_done else float(message)
        return self._is_done

    def close(self) -> None:
        """End the process; unfinished stores are kept."""
        if self._process is None:
            return
        self._keep_alive.close()
        self._process.join(_SECONDS_TO_END)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()
        self._results.close()
        self._process = None


def _run(payload: bytes, results: Connection, keep_alive: Connection) -> None:
    """The process's main function."""
    begin_child(_NICENESS)
    should_end = end_with_parent(keep_alive, _SECONDS_TO_END)
    problem, later = pickle.loads(payload)
    set_known_problem(later.tokenizer.chat_template, problem)
    try:
        _send(results, _DONE if _build(later, results, should_end) else 0.0)
    except AppError as error:
        _send(results, RunError(error.message, error.hint))


def _build(later: LaterRows, results: Connection, should_end: threading.Event) -> bool:
    datasets = [MixedFiles(later.files, 1.0, later.settings.rows.columns)]
    building = open_or_build_stores(datasets, later.tokenizer, later.settings.rows, later.contents)
    last_sent = monotonic()
    for share in building:
        if should_end.is_set():
            building.close()
            return False
        if monotonic() - last_sent > _SECONDS_BETWEEN_SHARES:
            last_sent = monotonic()
            _send(results, share)
    return True


def _send(results: Connection, what: object) -> None:
    with suppress(OSError):  # the run has ended
        results.send(what)
