"""Adds a setting to the command line as a flag, with the setting's own help."""

import argparse
from dataclasses import Field
from typing import Any

from app.core.config.serialization import OLD_CHOICES, OLD_NAMES
from app.core.config.training_config import CHOICES

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
    """Adds a flag without a default. Its old name works too, and is not shown."""
    help_text = f.metadata["help"].replace("%", "%%")
    if f.type is bool:
        options: dict[str, Any] = {"action": argparse.BooleanOptionalAction}
    elif f.name == "eval_sets":
        options = {"nargs": "+", "metavar": "PATH"}
    elif f.name == "mix":
        options = {"action": "append", "metavar": "PATH=SHARE"}
        help_text += " May be given several times."
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
