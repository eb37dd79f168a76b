"""`nestling help`: the reference's topics, or one of its pages."""

import argparse
from pathlib import Path

from app.cli.terminal import line, lines
from app.core.errors import InputError
from app.core.paths import reference_dir


def add_help(parser: argparse.ArgumentParser) -> None:
    parser.description = "List the topics of the reference, or show one of them."
    parser.add_argument("topic", nargs="?", metavar="TOPIC", help="One of those that are listed.")


def print_help(arguments: argparse.Namespace) -> int:
    """The topics, or the page of one; the exit code. Raises InputError for an unknown topic."""
    pages = {path.stem: path for path in sorted(reference_dir().glob("*.md"))}
    if arguments.topic is None:
        width = max(map(len, pages))
        for name, path in pages.items():
            line(f"{name:{width}}  {_title(path)}")
        return 0
    if arguments.topic not in pages:
        raise InputError(
            f"There is no topic {arguments.topic!r}.", f"Topics are {', '.join(pages)}."
        )
    lines(pages[arguments.topic].read_text(encoding="utf-8"))
    return 0


def _title(page: Path) -> str:
    with page.open(encoding="utf-8") as file:
        return file.readline().removeprefix("# ").strip()
