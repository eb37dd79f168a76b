"""`nestling` and `python -m app`: the terminal's commands, or the window."""

import gc
import multiprocessing
import signal
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from app.core.config.training_config import TrainingConfig


def main() -> int:
    """Entry point; returns the exit code."""
    # The frozen app starts its worker processes by this door: they end here, before the imports
    # that only a command needs.
    multiprocessing.freeze_support()
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # nothing is begun that has to end in order
    try:
        from app.cli.commands import run
        from app.cli.terminal import guard_streams
    except Exception as error:
        if len(sys.argv) == 1:  # the window was asked for
            _show_where_nobody_reads(error)
        raise
    guard_streams()
    return run(sys.argv[1:], _open_window, _self_test)


def _show_where_nobody_reads(error: Exception) -> None:
    """A click that shows nothing would leave the user in the dark."""
    from app.core.system.version import has_reader

    if not has_reader():
        from app.ui.system.start_failure import show_start_failure

        show_start_failure(error)


def _open_window(config: "TrainingConfig | None") -> int:
    from app.core.system.version import has_reader

    if has_reader():
        return _run_window(config)
    from app.ui.system.start_failure import log_crashes

    log_crashes()
    try:
        return _run_window(config)
    except Exception as error:
        _show_where_nobody_reads(error)
        raise


def _run_window(config: "TrainingConfig | None") -> int:
    was_automatic = gc.isenabled()
    gc.disable()  # imports leave no garbage, and looking for it takes 6 % of the start
    try:
        from app.ui.system.language import choose_language

        choose_language()
        from app.launch import run_app
    except ImportError as error:
        from app.core.errors import InputError

        raise InputError(
            f"The window can't open: {error}.",
            "Install what is missing, or stay in the terminal: nestling demo --terminal.",
        ) from error
    finally:
        if was_automatic:
            gc.enable()
    return run_app(sys.argv[:1], config=config, autostart=config is not None)


def _self_test(as_json: bool) -> int:
    from app.self_test.command import self_test

    return self_test(as_json)


if __name__ == "__main__":
    sys.exit(main())
