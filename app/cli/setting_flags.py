"""Adds flags for settings to the command line, and the arguments of `nestling check`, whose module
imports more.
"""

import argparse
from dataclasses import Field, fields
from pathlib import Path
from typing import Any

from app.core.config.serialization import OLD_CHOICES, OLD_NAMES
from app.core.config.training_config import CHOICES, TrainingConfig
from app.data.row_values import KEPT_ISSUES

METAVARS = {
    "tiers": "P,P,…",
    "tier_patterns": "PATTERN=TIER,…",
    "keys": "NAME,…",
    "columns": "ROLE=COLUMN,…",
    "adapter": "RUN|DIR",
    "model": "DIR",
    "name": "NAME",
}


def add_setting(parser: argparse.ArgumentParser, f: Field[Any]) -> None:
    """Add a flag without a default. The setting's old names are accepted, but not shown."""
    help_text = f.metadata["help"].replace("%", "%%")
    if f.type is bool:
        options: dict[str, Any] = {"action": argparse.BooleanOptionalAction}
    elif f.name == "eval_sets":
        options = {"nargs": "+", "metavar": "PATH"}
    elif f.name == "mix":
        options = {"action": "append", "metavar": "PATH=SHARE"}
        help_text += " Can be repeated."
    elif f.name in CHOICES:
        old = OLD_CHOICES.get(f.name, {})
        options = {"choices": CHOICES[f.name], "type": lambda word: old.get(word, word)}
    elif f.type in (int, float):
        options = {"type": f.type, "metavar": "N" if f.type is int else "X"}
    else:
        options = {"metavar": METAVARS.get(f.name, "PATH")}
    shown = {f.name: help_text} | {
        old: argparse.SUPPRESS for old, name in OLD_NAMES.items() if name == f.name
    }
    for name, text in shown.items():
        flag = "--" + name.replace("_", "-")
        parser.add_argument(flag, dest=f.name, default=argparse.SUPPRESS, help=text, **options)


SHOWN_PROBLEMS = 20
"""The number of problems that are listed without --all."""
SETTINGS = (
    "valid", "mix", "columns", "mask_prompt", "replies", "max_seq_length", "validation_split",
    "seed", "batch_size", "grad_accumulation_steps",
)  # fmt: skip
"""The settings that determine which rows a run uses, and how."""


def add_check(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.description = (
        "Read a whole dataset and name every row that can't be used. The exit code is 0 if there "
        "is none, and 2 otherwise."
    )
    help_of = {f.name: str(f.metadata["help"]).replace("%", "%%") for f in fields(TrainingConfig)}
    parser.add_argument("data", type=Path, metavar="DATA", help=help_of["data"])
    parser.add_argument(
        "--model", type=Path, metavar="DIR",
        help="Also tokenize every row for this model and report what a run would train on. The "
        "weights are not read.",
    )  # fmt: skip
    for f in fields(TrainingConfig):
        if f.name in SETTINGS:
            add_setting(parser, f)
    parser.add_argument(
        "--all", action="store_true",
        help=f"List the first {KEPT_ISSUES:,} problems of each file, not {SHOWN_PROBLEMS}.",
    )  # fmt: skip
    parser.add_argument("--json", action="store_true", help="Print one JSON object.")
