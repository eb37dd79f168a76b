"""Keeps the computer from idle sleep, by a tool of the system that runs for that long.

A system without the tool sleeps as usual. Knows no run.
"""

import os
import sys

from PySide6.QtCore import QObject, QProcess, QStandardPaths


def command(platform: str = sys.platform) -> list[str]:
    """The tool and its arguments. It ends with this process, however that ends: caffeinate watches
    the process, and cat reads from a pipe that closes with it."""
    if platform == "darwin":
        return ["caffeinate", "-i", "-w", str(os.getpid())]
    return ["systemd-inhibit", "--what=idle", "--who=Nestling", "--why=Training a model",
            "--mode=block", "cat"]  # fmt: skip


class SleepGuard(QObject):
    def __init__(self, parent: QObject, tool: list[str] | None = None) -> None:
        super().__init__(parent)
        self._tool = tool or command()
        self._process: QProcess | None = None

    @property
    def is_on(self) -> bool:
        """Idle sleep is not wanted; whether the system has the tool, this doesn't say."""
        return self._process is not None

    def turn_on(self) -> None:
        if self._process is not None:
            return
        self._process = QProcess(self)
        if program := QStandardPaths.findExecutable(self._tool[0]):
            self._process.setStandardOutputFile(QProcess.nullDevice())
            self._process.setStandardErrorFile(QProcess.nullDevice())
            self._process.start(program, self._tool[1:])

    def turn_off(self) -> None:
        """The tool is gone afterwards; killing it is how it is meant to end."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.waitForFinished()
            process.deleteLater()
