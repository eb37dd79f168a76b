"""Whether this is the frozen app, and where its files lie; nothing else asks."""

import sys
from pathlib import Path


def bundle_dir() -> Path | None:
    """The folder of the frozen app's files, which is never written to; None in an install."""
    folder = getattr(sys, "_MEIPASS", None)
    return Path(folder) if folder else None


def bundled(name: str) -> Path | None:
    """A file of the frozen app; None in an install, and where the app has no such file."""
    folder = bundle_dir()
    path = folder / name if folder else None
    return path if path is not None and path.exists() else None
