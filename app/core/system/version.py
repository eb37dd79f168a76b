"""The versions of Nestling and MLX, and the commit; tells the frozen app from an install."""

import subprocess
import sys
from functools import cache
from pathlib import Path

from app import __version__

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
    """An install may use the system's C++ compiler; the bundle uses nothing outside itself.

    On a Mac without developer tools, calling one opens a dialog that offers to install them.
    """
    return bundle_dir() is None


def has_reader() -> bool:
    """Whether standard error may be read; it is not if the bundle was started by a click."""
    if bundle_dir() is None:
        return True
    return sys.stderr is not None and not sys.stderr.closed and sys.stderr.isatty()


COMMIT_FILE = "commit.txt"
"""Written into the bundle when it is built."""
_DESCRIBE = ("describe", "--always", "--abbrev=10", "--exclude=*", "--dirty=+")
_PATIENCE_SECONDS = 5.0


def version_line() -> str:
    """ "0.1.0 (commit 1a2b3c4d5e), MLX 0.32.4"."""
    commit = commit_id()
    return f"{__version__}{f' (commit {commit})' if commit else ''}, MLX {package_version('mlx')}"


@cache  # a run calls this several times, and reading metadata is slow
def package_version(package: str) -> str:
    """An installed package's version; "unknown" where its metadata is missing."""
    from importlib.metadata import PackageNotFoundError, version  # importing it takes 40 ms

    try:
        return version(package)
    except PackageNotFoundError:
        return "unknown"


def commit_id() -> str:
    """The commit that the app was built from, or the checkout's; empty where none is known."""
    if (built := bundled(COMMIT_FILE)) is not None:
        return built.read_text(encoding="ascii").strip()
    return commit_of(Path(__file__).resolve().parents[3])


def commit_of(checkout: Path) -> str:
    """A checkout's commit, with a + if files of the app were changed since; empty without one."""
    # Without .git there is no commit, and calling git on macOS may open a dialog to install it.
    if not (checkout / ".git").exists():
        return ""
    try:
        result = subprocess.run(
            ["git", "-C", checkout, *_DESCRIBE],
            capture_output=True, text=True, check=True, timeout=_PATIENCE_SECONDS,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return ""
    return result.stdout.strip()
