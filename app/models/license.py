"""Reads a model's license from its README.md or its LICENSE file."""

import re
from pathlib import Path

from app.core.files.untrusted_files import read_head
from app.core.text.sanitize import single_line
from app.models.folder_files import FolderFiles

_READ_BYTES = 2**15
"""A model card's front matter can hold long lists."""
_MAX_CHARACTERS = 60
_FIELD = re.compile(r"^(license|license_name)\s*:\s*(.*)$", re.MULTILINE)
_OTHER = "other"


def read_license(folder: Path, files: FolderFiles) -> str:
    """A short name, "apache-2.0", or the first line of LICENSE; empty where neither is there."""
    if "README.md" in files.sizes:
        fields = dict(_FIELD.findall(_front_matter(_text(folder / "README.md"))))
        named = _plain(fields.get("license", ""))
        own = _plain(fields.get("license_name", ""))
        if named and not (named == _OTHER and own):
            return named
        if own:
            return own
    for name in files.named("LICENSE*", "COPYING*", "license*"):
        if line := _first_line(_text(folder / name)):
            return line
    return ""


def _front_matter(text: str) -> str:
    """What stands between the first two lines of hyphens."""
    begin, *rest = text.split("\n---", 1)
    return begin.removeprefix("---") if begin.startswith("---") and rest else ""


def _plain(value: str) -> str:
    """One name; the first of a list."""
    named = value.split("#")[0].strip().strip("[]").split(",")[0]
    return single_line(named.strip().strip("\"'"), _MAX_CHARACTERS)


def _first_line(text: str) -> str:
    lines = (single_line(line, _MAX_CHARACTERS) for line in text.splitlines())
    return next((line.lstrip("# ") for line in lines if line), "")


def _text(file: Path) -> str:
    try:
        return read_head(file, _READ_BYTES, follow_links=True).decode("utf-8", "replace")
    except OSError:
        return ""
