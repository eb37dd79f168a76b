"""`nestling help`: lists the topics of the guide and the reference, or prints one."""

import argparse

from app.cli.terminal import line, lines
from app.core.errors import InputError
from app.core.guide_pages import read_guide


def add_help(parser: argparse.ArgumentParser) -> None:
    parser.description = "List the topics of the guide and the reference, or show one."
    parser.add_argument("topic", nargs="?", metavar="TOPIC", help="A topic from the list.")


def print_help(arguments: argparse.Namespace) -> int:
    """Print the topics, or one of them; returns the exit code. Raises InputError for an unknown
    topic.
    """
    pages = {page.topic: page for page in read_guide()}
    if arguments.topic is None:
        width = max(map(len, pages))
        for topic, page in pages.items():
            line(f"{topic:{width}}  {page.title}")
        return 0
    if arguments.topic not in pages:
        raise InputError(
            f"There is no topic {arguments.topic!r}.", f"Topics are {', '.join(pages)}."
        )
    lines(pages[arguments.topic].markdown)
    return 0
