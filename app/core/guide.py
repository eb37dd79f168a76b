"""Reads the Markdown pages of guide and reference, and searches them."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from app.core.files.paths import guide_dir, reference_dir


@dataclass(frozen=True)
class Page:
    file_name: str
    """By which other pages link to it."""
    title: str
    markdown: str

    @property
    def topic(self) -> str:
        """Its name for `nestling help`: "datasets"."""
        return Path(self.file_name).stem.lstrip("0123456789-")

    def has(self, prefixes: Sequence[str]) -> bool:
        """Whether each of these begins a word of the page."""
        return all(
            re.search(word_prefix_pattern(word), self.markdown, re.IGNORECASE) for word in prefixes
        )


def word_prefix_pattern(word: str) -> str:
    """A regular expression, of Python and Qt alike, that finds words that begin so."""
    return rf"(?<!\w){re.escape(word)}"


def read_guide() -> list[Page]:
    """The guide's pages, then those of the reference."""
    return [*read_pages(guide_dir()), *read_pages(reference_dir())]


def read_pages(folder: Path) -> list[Page]:
    """In the order of their file names; each begins with its title."""
    pages = []
    for path in sorted(folder.glob("*.md")):
        markdown = path.read_text(encoding="utf-8")
        title = markdown.partition("\n")[0].removeprefix("#").strip()
        pages.append(Page(path.name, title, markdown))
    return pages
