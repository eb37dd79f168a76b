"""The arguments of `nestling study`, apart from its work, which imports more."""

import argparse
from pathlib import Path


def add_study(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    parser.description = (
        "Learn tasks in turn, by several settings and with several seeds, and measure what each "
        "forgets. A study that was stopped resumes where it was."
    )
    parser.add_argument("file", type=Path, metavar="FILE.toml", help="The study.")
    parser.add_argument(
        "--output", type=Path, metavar="DIR",
        help="Folder for runs and report. Default: a folder beside the file, with its name.",
    )  # fmt: skip
    parser.add_argument(
        "--most-runs", type=int, metavar="N", help="Stop after N runs; resume later."
    )
    parser.add_argument("--json", action="store_true", help="Print one JSON object for each run.")
