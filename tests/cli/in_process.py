"""Runs `nestling …` in this process, for tests of its output and exit code. Tests of the process
itself start one."""

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


def nestling(*arguments: object, stdin: str | bytes = "") -> Ended:
    """With no display, and with `stdin` as standard input."""
    stdout, stderr = io.StringIO(), io.StringIO()
    stdin = stdin if isinstance(stdin, bytes) else stdin.encode()
    handlers = {number: signal.getsignal(number) for number in SIGNALS}
    try:
        with (
            redirect_stdout(stdout),
            redirect_stderr(stderr),
            mock.patch("sys.stdin", io.TextIOWrapper(io.BytesIO(stdin), "utf-8")),
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
    return Ended(code, stdout.getvalue(), stderr.getvalue())


def _no_window(_: TrainingConfig | None) -> int:
    pytest.fail("The window was opened.")
