"""File locks of the operating system, which releases a lock when its process ends.

filelock needs lock files of its own, and does not tell a disk without locks from a busy one. Here a
run's log is the lock, and whoever asks whether it is locked takes a shared lock for a moment.
"""

import errno
import fcntl
from enum import Enum, auto

_BUSY = (errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES)


class Lock(Enum):
    TAKEN = auto()
    BUSY = auto()
    """Another process has it."""
    UNKNOWN = auto()
    """The disk supports no locks, like some network and shared folders: the owner is unknown."""


def try_lock(descriptor: int, *, shared: bool = False) -> Lock:
    """Lock an open file, if that can be done at once."""
    try:
        fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except OSError as error:
        return Lock.BUSY if error.errno in _BUSY else Lock.UNKNOWN
    return Lock.TAKEN
