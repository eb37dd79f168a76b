"""`nestling` and `python -m app`: the terminal's commands, or the window."""

import io
import multiprocessing
import os
import sys

from app.cli.commands import run
from app.core.config import TrainingConfig
from app.core.errors import InputError


def main() -> int:
    """Entry point; returns the exit code."""
    multiprocessing.freeze_support()  # the frozen app starts its worker processes by this door
    if sys.stdout is None:  # started with standard output closed
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A name in the library may hold what the terminal can't show.
            stream.reconfigure(errors="backslashreplace")
    return run(sys.argv[1:], _open_window)


def _open_window(config: TrainingConfig | None) -> int:
    try:
        from app.application import run_app
    except ImportError as error:
        raise InputError(
            f"The window can't open: {error}.",
            "Install what is missing, or stay in the terminal: nestling demo --terminal.",
        ) from error
    return run_app(sys.argv[:1], config=config, autostart=config is not None)


if __name__ == "__main__":
    sys.exit(main())
