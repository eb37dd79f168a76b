"""Tells the frozen app from an install. No other module asks."""

import sys
from pathlib import Path

LICENSES_FILE = "licenses.txt"
"""The license texts of everything in the bundle; written when it is built."""


def bundle_dir() -> Path | None:
    """The folder of the frozen app's files, which is never written to; None in an install."""
    folder = getattr(sys, "_MEIPASS", None)
    return Path(folder) if folder else None


def bundled(name: str) -> Path | None:
    """A file of the frozen app; None in an install, and where the app has no such file."""
    folder = bundle_dir()
    path = folder / name if folder else None
    return path if path is not None and path.exists() else None


def may_call_compiler() -> bool:
    """An install may use the system's C++ compiler; the bundle relies on nothing outside itself.

    On a Mac without developer tools, calling one opens a dialog that offers to install them.
    """
    return bundle_dir() is None


def has_reader() -> bool:
    """Whether somebody may read standard error: not where the bundle was started by a click."""
    if bundle_dir() is None:
        return True
    return sys.stderr is not None and not sys.stderr.closed and sys.stderr.isatty()
