"""`nestling …` carried out in this process, which has imported what it needs: for what is said, and
the exit code. What is a fact about the process itself is tested with one."""

import io
import os
import signal
from contextlib import redirect_stderr, redirect_stdout
from typing import NamedTuple
from unittest import mock

import pytest

from app.cli.commands import run
from app.core.config.training_config import TrainingConfig

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Ended(NamedTuple):
    """As a process that has ended."""

    returncode: int
    stdout: str
    stderr: str


def nestling(*arguments: object, given: str | bytes = "") -> Ended:
    """With no display, and with `given` as standard input."""
    out, told = io.StringIO(), io.StringIO()
    given = given if isinstance(given, bytes) else given.encode()
    handlers = {number: signal.getsignal(number) for number in SIGNALS}
    try:
        with (
            redirect_stdout(out),
            redirect_stderr(told),
            mock.patch("sys.stdin", io.TextIOWrapper(io.BytesIO(given), "utf-8")),
            mock.patch.dict(os.environ),
        ):
            for name in ("DISPLAY", "WAYLAND_DISPLAY"):
                os.environ.pop(name, None)
            code = run([*map(str, arguments)], _no_window)
    except SystemExit as ended:  # of the arguments' parser
        code = int(ended.code or 0)
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
    return Ended(code, out.getvalue(), told.getvalue())


def _no_window(_: TrainingConfig | None) -> int:
    pytest.fail("The window was opened.")
