"""Prevents idle sleep while a run trains, with a tool of the operating system.

If the system lacks the tool, the computer may sleep.
"""

import os
import sys

from PySide6.QtCore import QObject, QProcess, QStandardPaths


def command(platform: str = sys.platform) -> list[str]:
    """The tool and its arguments. It ends with this process in any case: caffeinate watches the
    process, and cat reads from a pipe that closes with it.
    """
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
        """Whether sleep is to be prevented, even if the system lacks the tool."""
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
        """Kill the tool, which is its normal end, and wait until it has ended."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.waitForFinished()
            process.deleteLater()
