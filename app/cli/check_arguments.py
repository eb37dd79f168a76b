"""The arguments of `nestling check`, apart from its work, which imports more."""

import argparse
from dataclasses import fields
from pathlib import Path

from app.cli.setting_flags import add_setting
from app.core.config.training_config import TrainingConfig
from app.data.row_values import KEPT_ISSUES

SHOWN_PROBLEMS = 20
"""Unless all are asked for."""
SETTINGS = (
    "valid", "mix", "columns", "mask_prompt", "replies", "max_seq_length", "validation_split",
    "seed", "batch_size", "grad_accumulation_steps",
)  # fmt: skip
"""The settings that decide which rows a run uses, and how."""


def add_check(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
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
