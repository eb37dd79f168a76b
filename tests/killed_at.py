"""Has a process kill itself with SIGKILL at one of its own calls, counted from a moment on.

Which call that is decides where in its work it dies, however busy the machine is.
"""

import os
import signal
import sys
from itertools import count
from types import FrameType

CHANGES = {"open", "write", "fsync", "close", "replace", "rename", "mkdir", "unlink", "rmdir",
           "truncate", "ftruncate", "symlink", "link"}  # fmt: skip
"""The C functions by which a file on disk becomes another; it dies before or after one of them."""


def die_at_change(number: int) -> None:
    """Of this thread's calls that may change a file; each counts twice, as call and as return."""
    counted = count(1)

    def note(_frame: FrameType, event: str, called: object) -> None:
        is_change = event.startswith("c_") and getattr(called, "__name__", "") in CHANGES
        if is_change and next(counted) == number:
            os.kill(os.getpid(), signal.SIGKILL)

    sys.setprofile(note)
