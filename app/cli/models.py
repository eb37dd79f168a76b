"""`nestling models`: lists the base models on this computer, and recommended ones."""

import argparse
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from app.cli.terminal import json_line, line
from app.core.system.memory import training_bytes
from app.core.text.sanitize import single_line

if TYPE_CHECKING:
    from app.models.model_description import ModelDescription

_RIGHT: dict[str, Any] = {"justify": "right", "no_wrap": True}
_COLUMNS: dict[str, dict[str, Any]] = {
    "Name": {"overflow": "fold"},
    "Parameters": _RIGHT,
    "Weights": {"no_wrap": True},
    "GB": _RIGHT,
    "Context": _RIGHT,
    "License": {},
    "Trains here": {"no_wrap": True},
    "From": {"no_wrap": True},
}
_RECOMMENDED: dict[str, dict[str, Any]] = {
    "Command": {"overflow": "fold"},
    "Parameters": _RIGHT,
    "GB": _RIGHT,
    "License": {},
    "Trains here": {"no_wrap": True},
}


def add_models(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "List the base models on this computer: in the Hugging Face cache, LM Studio's and "
        "Ollama's folders, and folders you have opened."
    )
    parser.add_argument(
        "--recommended", action="store_true",
        help="List models to begin with instead, each with the command that downloads it.",
    )  # fmt: skip
    parser.add_argument("--json", action="store_true", help="Print one JSON object per line.")


def print_models(arguments: argparse.Namespace) -> int:
    """Print the models; returns the exit code."""
    if arguments.recommended:
        _print_recommended(as_json=arguments.json)
        return 0
    from app.models.catalog import list_models

    models, available = list_models(), training_bytes()
    if arguments.json:
        for model in models:
            json_line(model_to_json(model, available))
    elif not models:
        line("No models found. To begin with:")
        _print_recommended(as_json=False)
    else:
        _print_table(models, available)
    return 0


def model_to_json(model: "ModelDescription", available_bytes: int) -> dict[str, Any]:
    values = {**asdict(model), "folder": str(model.folder)}
    values["chosen"] = str(model.chosen) if model.chosen else None
    del values["is_read"]
    return values | {"verdict": model.verdict(available_bytes) or None}


def _print_table(models: "list[ModelDescription]", available: int) -> None:
    from app.cli.rich_output import print_table
    from app.models.model_formatting import (
        UNKNOWN,
        context_text,
        parameters_text,
        problem_text,
        state_text,
    )

    print_table(
        _COLUMNS,
        (
            (
                single_line(model.name, 100), parameters_text(model.parameters),
                single_line(model.quantization, 24) or UNKNOWN, f"{model.size_bytes / 1e9:.2f}",
                context_text(model.context_tokens), single_line(model.license, 30) or UNKNOWN,
                state_text(model, available), model.source,
            )
            for model in models
        ),
    )  # fmt: skip
    for model in models:
        if model.problem:
            line(f"{problem_text(model)} {model.hint}".rstrip())


def _print_recommended(*, as_json: bool) -> None:
    from app.cli.rich_output import print_table
    from app.models.model_formatting import VERDICTS, parameters_text
    from app.models.recommended import install_command, recommended

    rated = recommended(training_bytes())
    if as_json:
        for model, verdict in rated:
            json_line(asdict(model) | {"command": model.command, "verdict": verdict})
        return
    print_table(
        _RECOMMENDED,
        (
            (
                model.command, parameters_text(model.parameters),
                f"{model.size_bytes / 1e9:.2f}", model.license, VERDICTS[verdict],
            )
            for model, verdict in rated
        ),
    )  # fmt: skip
    line(f"The hf command: {install_command()}")
