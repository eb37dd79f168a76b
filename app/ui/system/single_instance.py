"""One window for one library: a second one asks the first to come forward, and ends.

The lock is the system's: it is let go of when the process ends, however it ends. Knows no window.
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
    """Made by each window; only the first one's `is_first` is true."""

    shown_again = Signal()
    """Another window was opened for the same library, and has ended."""

    def __init__(self, home: Path, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._name = _name(home)
        check_connected(home)
        with disk_errors_as_app_errors(home):
            make_folder(home)
            self._lock = open_descriptor(home / LOCK_FILE, os.O_RDWR | os.O_CREAT)
        self.is_first = self._take()
        self._server = QLocalServer(self)
        self._server.newConnection.connect(self._greet)
        if self.is_first:
            QLocalServer.removeServer(self._name)  # a killed one leaves its socket behind
            self._server.setSocketOptions(QLocalServer.SocketOption.UserAccessOption)
            self._server.listen(self._name)

    def bring_first_forward(self) -> bool:
        """Ask the first window to show itself; whether it answered."""
        socket = QLocalSocket(self)
        socket.connectToServer(self._name)
        is_there = socket.waitForConnected(PATIENCE_MS)
        if is_there:
            socket.waitForDisconnected(PATIENCE_MS)
        socket.abort()
        return is_there

    def close(self) -> None:
        """Let another window be the first."""
        self._server.close()
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def _take(self) -> bool:
        """On a disk without locks the first one is known by its answer."""
        lock = try_lock(self._lock)
        return not self.bring_first_forward() if lock is Lock.UNKNOWN else lock is Lock.TAKEN

    def _greet(self) -> None:
        while (socket := self._server.nextPendingConnection()) is not None:
            socket.disconnected.connect(socket.deleteLater)
            socket.disconnectFromServer()
            self.shown_again.emit()


def _name(home: Path) -> str:
    """The same for every path to the same library, and short: sockets' names end at 100 bytes."""
    whole = hashlib.sha256(os.fsencode(f"{os.getuid()} {os.path.realpath(home)}"))
    return f"nestling-{whole.hexdigest()[:16]}"
