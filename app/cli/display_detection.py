"""Detects a display without Qt, which would end the process if there is none."""

import os
import socket
import sys
from pathlib import Path


def has_display() -> bool:
    """Whether there is a screen: always on a Mac but over SSH; on Linux if a server answers."""
    if sys.platform == "darwin":
        return "SSH_CONNECTION" not in os.environ
    return _wayland_answers() or _x11_answers()


def _wayland_answers() -> bool:
    name = os.environ.get("WAYLAND_DISPLAY")
    folder = os.environ.get("XDG_RUNTIME_DIR", "")
    return bool(name) and _answers(str(Path(folder, name or "")))


def _x11_answers() -> bool:
    host, _, number = os.environ.get("DISPLAY", "").rpartition(":")
    if not number:
        return False
    if host not in ("", "unix"):
        return True  # another machine's screen: only Qt can tell
    path = f"/tmp/.X11-unix/X{number.partition('.')[0]}"
    return _answers(path) or _answers(f"\0{path}")


def _answers(address: str) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        try:
            client.connect(address)
        except OSError:
            return False
    return True
