"""Runs each command and returns its exit code. Detects a display without Qt, which would end the
process if there is none.
"""

import argparse
import os
import socket
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from app.cli.arguments import parse, training_config
from app.cli.generate import generate
from app.cli.interrupt import Interrupt, ending_in_order
from app.cli.rich_output import run_with_bar
from app.cli.terminal import OutputLost, drop_output, flush, note
from app.core.config.presets import demo_config
from app.core.config.training_config import TrainingConfig
from app.core.errors import AppError, InputError
from app.core.events import Event, RunFinished, StepFinished
from app.core.files.paths import runs_dir

EXIT_BAD_INPUT = 2
EXIT_INTERRUPTED = 130

OpenWindow = Callable[[TrainingConfig | None], int]
"""Opens the window; with a config, starts that run at once."""
SelfTest = Callable[[bool], int]
"""Tests this copy of the app and returns the exit code; True prints JSON."""


def no_self_test(_: bool) -> int:
    """The default self-test if only the command line is imported."""
    raise InputError("The self-test is not available here.", "Use nestling --self-test.")


def run(argv: Sequence[str], open_window: OpenWindow, self_test: SelfTest = no_self_test) -> int:
    """Run the command line `argv` (without the program's name)."""
    try:
        try:
            arguments = parse(argv)
            with ending_in_order():
                if arguments.self_test:
                    return self_test(arguments.self_test_json)
                return _dispatch(arguments, open_window)
        finally:
            flush()
    except AppError as error:
        return _refused(str(error))
    except OSError as error:
        return _refused(f"{error.filename or 'The output'}: {error.strerror or error}.")
    except OutputLost as lost:
        return handle_lost_output(lost)
    except KeyboardInterrupt:
        note("Interrupted.")
        return EXIT_INTERRUPTED


def _dispatch(arguments: argparse.Namespace, open_window: OpenWindow) -> int:
    match arguments.command:
        case "train":
            return _train(arguments, training_config(arguments))
        case "resume":
            return _resume(arguments)
        case "runs":
            from app.cli.runs import print_runs

            return print_runs(as_json=arguments.json)
        case "show":
            from app.cli.runs import print_run

            return print_run(arguments)
        case "models":
            from app.cli.models import print_models

            return print_models(arguments)
        case "check":
            from app.cli.check import check

            return check(arguments)
        case "generate":
            return generate(arguments)
        case "study":
            from app.cli.study import study

            return study(arguments)
        case "help":
            from app.cli.help import print_help

            return print_help(arguments)
        case "demo":
            return _demo(arguments, open_window)
        case _:
            return _window(open_window)


def _refused(sentence: str) -> int:
    note(f"nestling: {sentence}")
    return EXIT_BAD_INPUT


def handle_lost_output(lost: OutputLost, consequence: str = "") -> int:
    """End a command whose output is lost; prints no message if the reader has exited."""
    drop_output()
    if not lost.has_reader:
        return EXIT_INTERRUPTED
    return _refused(f"The output can't be written: {lost.reason}. {consequence}".rstrip())


def _demo(arguments: argparse.Namespace, open_window: OpenWindow) -> int:
    config = demo_config()
    if arguments.steps is not None:
        config = replace(config, steps=arguments.steps)
    if "output" in arguments:
        config = replace(config, output=Path(arguments.output))
    config.checked()
    if has_display() and not (arguments.json or arguments.terminal):
        return open_window(config)
    return _train(arguments, config)


def _window(open_window: OpenWindow) -> int:
    if not has_display() and "QT_QPA_PLATFORM" not in os.environ:
        raise InputError(
            "There is no display to open the window on.",
            "Use nestling demo or nestling train in the terminal.",
        )
    return open_window(None)


def _train(arguments: argparse.Namespace, config: TrainingConfig) -> int:
    from app.engine.training.trainer import train

    stop_after = getattr(arguments, "stop_after", None)
    return _follow(
        lambda asked: train(config, should_stop=asked, stop_after=stop_after), arguments.json
    )


def _resume(arguments: argparse.Namespace) -> int:
    from app.engine.training.trainer import resume
    from app.library.reading.run_store import find_run
    from app.library.run.run_folder import copy_run_in_steps

    run_dir = find_run(arguments.run, runs_dir())
    if "output" in arguments:
        run_dir = run_with_bar(
            copy_run_in_steps(run_dir, Path(arguments.output)), "Copying the run"
        )
    return _follow(
        lambda asked: resume(
            run_dir,
            checkpoint=arguments.checkpoint,
            should_stop=asked,
            stop_after=arguments.stop_after,
        ),
        arguments.json,
        has_progress=True,
    )


def _follow(
    start: Callable[[Callable[[], bool]], Iterator[Event]],
    as_json: bool,
    *,
    has_progress: bool = False,
) -> int:
    """Show a run's events to the end. `start` gets a function that says whether to stop.

    `has_progress`: the run already has saved steps.
    """
    from app.cli.event_output import TerminalProgress, print_json
    from app.engine.runtime.distributed import is_first_machine
    from app.engine.runtime.mlx_runtime import close_thread

    interrupt = Interrupt(has_progress)
    show: Callable[[Event], None] = print_json if as_json else TerminalProgress()
    if not is_first_machine():
        show = _nothing
    try:
        # Closed on this thread, to which MLX's arrays belong.
        with closing(start(interrupt.is_requested)) as events:  # type: ignore[type-var]
            ending, lost = _shown(events, show, interrupt)
    finally:
        close_thread()
    if lost is not None:
        handle_lost_output(lost, ending.message if ending else "")
        return EXIT_INTERRUPTED  # the run itself is complete: it was stopped
    return _exit_code(ending, interrupt)


def _nothing(_: Event) -> None:
    """Show nothing: only the first machine shows events."""


def _shown(
    events: Iterator[Event], show: Callable[[Event], None], interrupt: Interrupt
) -> tuple[RunFinished | None, OutputLost | None]:
    """Show all events; returns the last one, and the error if the output was lost. Such a run stops
    with a checkpoint.
    """
    ending, lost = None, None
    for event in events:
        interrupt.has_progress |= isinstance(event, StepFinished)
        if isinstance(event, RunFinished):
            ending = event
        if lost is not None:
            continue
        try:
            show(event)
        except OutputLost as error:
            lost = error
            drop_output()
            interrupt.ask()
    return ending, lost


def _exit_code(ending: RunFinished | None, interrupt: Interrupt) -> int:
    if ending is None or (ending.outcome == "stopped" and interrupt.is_requested()):
        return EXIT_INTERRUPTED
    if ending.outcome == "failed":
        return _refused(ending.message)
    return 0


def has_display() -> bool:
    """Whether there is a display: on a Mac unless connected over SSH, on Linux if a server
    answers.
    """
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
        return True  # a display of another machine: only Qt can tell
    path = f"/tmp/.X11-unix/X{number.partition('.')[0]}"
    return _answers(path) or _answers(f"\0{path}")


def _answers(address: str) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        try:
            client.connect(address)
        except OSError:
            return False
    return True
