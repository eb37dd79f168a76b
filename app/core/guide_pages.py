"""Reads the Markdown pages of guide and reference, and searches them."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from app.core.files.paths import guide_dir, reference_dir
from app.core.text.translation import SOURCE, language

COMPOUNDING = ("de",)
"""Languages that write compounds as one word."""


@dataclass(frozen=True)
class Page:
    file_name: str
    """The name in other pages' links to it."""
    title: str
    markdown: str

    @property
    def topic(self) -> str:
        """Its name for `nestling help`: "datasets"."""
        return Path(self.file_name).stem.lstrip("0123456789-")

    def has(self, prefixes: Sequence[str]) -> bool:
        """Whether the page has words that begin with each of these."""
        return all(
            re.search(word_prefix_pattern(word), self.markdown, re.IGNORECASE) for word in prefixes
        )


def word_prefix_pattern(word: str) -> str:
    """A regular expression for Python and Qt that finds words with this prefix, and in a
    language that writes compounds as one word their parts: "Lernrate" by "Rate"."""
    begin = "" if language() in COMPOUNDING else r"(?<!\w)"
    return begin + re.escape(word)


def read_guide() -> list[Page]:
    """The guide's pages, then those of the reference, each in the language in use if it is
    translated."""
    pages = {
        page.file_name: page
        for code in (SOURCE, language())
        for folder in (guide_dir(code), reference_dir(code))
        for page in read_pages(folder)
    }
    return list(pages.values())


def read_pages(folder: Path) -> list[Page]:
    """In the order of their file names; each begins with its title."""
    pages = []
    for path in sorted(folder.glob("*.md")):
        markdown = path.read_text(encoding="utf-8")
        title = markdown.partition("\n")[0].removeprefix("#").strip()
        pages.append(Page(path.name, title, markdown))
    return pages
