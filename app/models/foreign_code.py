"""Refuses Python code in model folders: it is never run, and transformers must not ask about it.

Where a model can't be loaded without it, one sentence says so.
"""

from collections.abc import Mapping
from pathlib import Path

from app.core.errors import InputError

NO_CODE = {"trust_remote_code": False}
"""For transformers, which otherwise asks on standard input whether to run it."""


def needs_code(error: Exception) -> bool:
    """Whether this is how transformers refuses to run the folder's code."""
    return "trust_remote_code" in str(error)


def check_needs_no_code(path: Path, config: Mapping[str, object]) -> None:
    """Raise InputError if `config`, a model's config.json, names code that builds the model."""
    if config.get("model_file") is not None:
        raise code_refused("model", path)


def code_refused(part: str, path: Path) -> InputError:
    return InputError(
        f"The {part} in {path} needs Python code from the model folder; Nestling does not run "
        "code of models.",
        "Choose a model that mlx-lm and transformers support natively.",
    )
