"""Allows one window per library: a second instance activates the first one's window and quits.

Uses a file lock, which the operating system releases when the process ends in any way.
"""

import hashlib
import os
from pathlib import Path

from PySide6.QtCore import QObject, Signal
from PySide6.QtNetwork import QLocalServer, QLocalSocket

from app.core.files.atomic_files import disk_errors_as_app_errors
from app.core.files.disks import check_connected
from app.core.files.folders import make_folder
from app.core.files.locks import Lock, try_lock
from app.core.files.untrusted_files import open_descriptor

LOCK_FILE = "window.lock"
PATIENCE_MS = 2000


class SingleInstance(QObject):
    """Each process creates one; `is_first` is true only for the first."""

    shown_again = Signal()
    """Another instance was started for the same library, and has quit."""

    def __init__(self, home: Path, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._name = _name(home)
        check_connected(home)
        with disk_errors_as_app_errors(home):
            make_folder(home)
            self._lock = open_descriptor(home / LOCK_FILE, os.O_RDWR | os.O_CREAT)
        self.is_first = self._take()
        self._server = QLocalServer(self)
        self._server.newConnection.connect(self._answer)
        if self.is_first:
            QLocalServer.removeServer(self._name)  # a killed process leaves its socket behind
            self._server.setSocketOptions(QLocalServer.SocketOption.UserAccessOption)
            self._server.listen(self._name)

    def bring_first_forward(self) -> bool:
        """Ask the first instance to show its window; returns whether it answered."""
        socket = QLocalSocket(self)
        socket.connectToServer(self._name)
        is_there = socket.waitForConnected(PATIENCE_MS)
        if is_there:
            socket.waitForDisconnected(PATIENCE_MS)
        socket.abort()
        return is_there

    def close(self) -> None:
        """Release the lock, so that another instance can be the first."""
        self._server.close()
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def _take(self) -> bool:
        """Take the lock. On a disk without locks, another instance is detected by its answer."""
        lock = try_lock(self._lock)
        return not self.bring_first_forward() if lock is Lock.UNKNOWN else lock is Lock.TAKEN

    def _answer(self) -> None:
        while (socket := self._server.nextPendingConnection()) is not None:
            socket.disconnected.connect(socket.deleteLater)
            socket.disconnectFromServer()
            self.shown_again.emit()


def _name(home: Path) -> str:
    """A socket name that is the same for every path to the library, and short: the limit is about
    100 bytes.
    """
    whole = hashlib.sha256(os.fsencode(f"{os.getuid()} {os.path.realpath(home)}"))
    return f"nestling-{whole.hexdigest()[:16]}"
