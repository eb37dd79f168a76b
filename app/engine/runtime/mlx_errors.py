"""Turns errors of MLX and of third-party model code into sentences a user can act on."""

from collections.abc import Iterator
from contextlib import contextmanager

from app.core.errors import TRY_AGAIN, AppError, InputError, RunError
from app.core.text.sanitize import error_text

NO_ADAPTER = "can't carry an adapter"
NO_GRADIENTS = "can't compute gradients"

_KNOWN_ERRORS = (
    (
        ("[ring]",),
        "The connection to another machine was lost.",
        f"Check that all machines can be reached, {TRY_AGAIN}.",
    ),
    (
        ("Impacting Interactivity", "ErrorTimeout", "GPU Timeout"),
        "macOS stopped the computation because one step kept the screen's GPU too long.",
        f"Use a smaller batch size or a smaller max length, {TRY_AGAIN}.",
    ),
    (
        ("[GatherMM",),
        "On a CPU, MLX computes a mixture of experts in float32 only, and this model's weights "
        "have another format.",
        "Convert the model with mlx_lm.convert and --dtype float32 or -q, or train on a Mac's GPU.",
    ),
    (
        ("[malloc", "metal::malloc", "Insufficient Memory", "out of memory"),
        "The computer ran out of memory for this run.",
        "Use a smaller batch size, a smaller max length, or a smaller model.",
    ),
)


def as_run_error(error: RuntimeError) -> RunError:
    """The RunError for a RuntimeError of MLX; an unknown error keeps MLX's text."""
    text = str(error)
    for marks, message, hint in _KNOWN_ERRORS:
        if any(mark.lower() in text.lower() for mark in marks):
            return RunError(message, hint)
    return RunError(f"MLX failed: {error_text(error)}.")


@contextmanager
def model_errors_as_input_errors(cannot: str) -> Iterator[None]:
    """Turn an error of third-party model code into InputError; MLX's own errors pass.

    `cannot` completes "This model …": NO_ADAPTER or NO_GRADIENTS.
    """
    try:
        yield
    except (AppError, RuntimeError, MemoryError):
        raise
    except (Exception, SystemExit) as error:
        raise InputError(
            f"This model {cannot} with mlx-lm's code for it: {error_text(error)}.",
            "Choose another base model.",
        ) from error
