"""A program on a terminal of its own, which can be closed as a user closes a window."""

import fcntl
import os
import pty
import select
import signal
import subprocess
import termios
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

from tests.patience import PATIENCE_SECONDS

ROOT = Path(__file__).parents[2]


class OnATerminal:
    """Runs `command`; its output is read from `read_until` or `read_all`."""

    def __init__(self, command: Sequence[str], **options: Any) -> None:
        self.master, slave = pty.openpty()
        self.process = subprocess.Popen(
            command, stdin=slave, stdout=slave, stderr=slave, start_new_session=True,
            preexec_fn=_take_terminal, cwd=ROOT, **options,
        )  # fmt: skip
        os.close(slave)
        self.output = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Whatever failed, no program is left behind."""
        self.process.kill()
        self.process.wait()

    def read_until(self, words: bytes) -> None:
        while words not in self.output:
            assert self._read(), f"{words!r} never came: {self.output[-2000:]!r}"

    def read_all(self) -> bytes:
        while self._read():
            pass
        self.process.wait(PATIENCE_SECONDS)
        return self.output

    def close(self) -> None:
        """The terminal goes: its processes get SIGHUP, and what they write fails."""
        os.close(self.master)

    def _read(self) -> bytes:
        ready, _, _ = select.select([self.master], [], [], PATIENCE_SECONDS)
        assert ready, f"nothing more came after {self.output[-2000:]!r}"
        try:
            found = os.read(self.master, 65536)
        except OSError:  # Linux: the last process on it has ended
            found = b""
        self.output += found
        return found


def _take_terminal() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_DFL)  # the tests may run under nohup
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
