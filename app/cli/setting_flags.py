"""A setting of a run as a flag of the command line, with the setting's own help."""

import argparse
from dataclasses import Field
from typing import Any

from app.core.config.training_config import CHOICES

METAVARS = {
    "tiers": "P,P,…",
    "tier_patterns": "PATTERN=TIER,…",
    "keys": "NAME,…",
    "map": "ROLE=COLUMN,…",
    "adapter": "RUN|DIR",
    "model": "DIR",
    "name": "NAME",
}


def add_setting(parser: argparse.ArgumentParser, f: Field[Any]) -> None:
    """A flag that leaves nothing behind where it isn't given."""
    flag = "--" + f.name.replace("_", "-")
    text = f.metadata["help"].replace("%", "%%")
    if f.type is bool:
        parser.add_argument(
            flag, action=argparse.BooleanOptionalAction, default=argparse.SUPPRESS, help=text
        )
        return
    if f.name == "question_sets":
        options: dict[str, Any] = {"nargs": "+", "metavar": "PATH"}
    elif f.name == "mix":
        options = {"action": "append", "metavar": "PATH=SHARE"}
        text += " May be given several times."
    elif f.name in CHOICES:
        options = {"choices": CHOICES[f.name]}
    elif f.type in (int, float):
        options = {"type": f.type, "metavar": "N" if f.type is int else "X"}
    else:
        options = {"metavar": METAVARS.get(f.name, "PATH")}
    parser.add_argument(flag, default=argparse.SUPPRESS, help=text, **options)
