"""`nestling` and `python -m app`: the terminal's commands, or the window."""

import multiprocessing
import sys

from app.cli.commands import run
from app.cli.terminal import guard_streams
from app.core.config import TrainingConfig
from app.core.errors import InputError


def main() -> int:
    """Entry point; returns the exit code."""
    multiprocessing.freeze_support()  # the frozen app starts its worker processes by this door
    guard_streams()
    return run(sys.argv[1:], _open_window, _self_test)


def _open_window(config: TrainingConfig | None) -> int:
    try:
        from app.application import run_app
    except ImportError as error:
        raise InputError(
            f"The window can't open: {error}.",
            "Install what is missing, or stay in the terminal: nestling demo --terminal.",
        ) from error
    return run_app(sys.argv[:1], config=config, autostart=config is not None)


def _self_test(as_json: bool) -> int:
    from app.self_test.command import self_test

    return self_test(as_json)


if __name__ == "__main__":
    sys.exit(main())
