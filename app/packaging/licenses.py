"""The license texts of everything in the bundle, collected from what was installed to build it.

A distribution, or a library of the building computer, without a text ends the build.
"""

import os
import sysconfig
from collections.abc import Iterable, Iterator
from importlib.metadata import Distribution, distribution, distributions
from pathlib import Path

from app.core.system.version import LICENSES_FILE
from app.packaging.bundle_contents import ROOT
from app.packaging.system_libraries import (
    LICENSE_NAME,
    Entry,
    Part,
    library_licenses,
    system_libraries,
)

STANDARD_TEXTS = {
    "PySide6_Essentials": ("LGPL-3.0.txt", "GPL-3.0.txt"),
    "shiboken6": ("LGPL-3.0.txt", "GPL-3.0.txt"),
    "sentencepiece": ("Apache-2.0.txt",),
    "tokenizers": ("Apache-2.0.txt",),
}
"""Distributions whose wheels hold no text, and the files of resources/licenses that they name."""

NOTES = {
    "PySide6_Essentials": "Contains Qt, which is used under the LGPL 3.0 as separate libraries in "
    "PySide6/Qt/lib; they can be replaced. Source: https://download.qt.io/official_releases",
}
ALWAYS = ("pyinstaller",)
"""Its boot loader starts the program; no entry of the analysis names it."""

_CODE = (".py", ".pyc", ".pyi")
_LINKS = ("homepage", "repository", "source", "source code", "code", "github")
_RULE = "=" * 80


def licenses_entry(made: Path, *contents: Iterable[Entry]) -> Entry:
    """The bundle's entry for the file of texts, which is written to the folder `made`.

    Raises SystemExit if a distribution or a library in `contents` has no text.
    """
    entries = [entry for part in contents for entry in part]
    found = bundled_distributions({os.path.realpath(source) for _, source, _ in entries if source})
    if problems := list(license_problems(found)):
        raise SystemExit("\n".join(problems))
    libraries = library_licenses(system_libraries(entries, made))
    path = made / LICENSES_FILE
    path.write_text(document(found, libraries), encoding="utf-8")
    return LICENSES_FILE, str(path), "DATA"


def bundled_distributions(sources: set[str]) -> list[Distribution]:
    """The installed distributions that one of the files belongs to, by name."""
    found = [one for one in distributions() if sources.intersection(_files(one))]
    found += [distribution(name) for name in ALWAYS]
    return sorted(found, key=lambda one: one.name.lower())


def _files(one: Distribution) -> Iterator[str]:
    folder = os.path.realpath(str(one.locate_file("")))
    return (os.path.normpath(os.path.join(folder, file)) for file in one.files or ())


def document(found: Iterable[Distribution], libraries: Iterable[Part] = ()) -> str:
    """Nestling's own license, Python's, and those of distributions and libraries, with texts."""
    parts = [
        _part("Nestling", "", [(ROOT / "LICENSE").read_text(encoding="utf-8")]),
        _part("Python", "", [python_text()]),
        *(_part(f"{one.name} {one.version}", _summary(one), texts(one)) for one in found),
        *(_part(title, "", texts) for title, texts in libraries),
    ]
    return "\n\n".join(parts) + "\n"


def python_text() -> str:
    """The license of Python, which its installation holds. Raises SystemExit without one."""
    path = Path(sysconfig.get_path("stdlib"), "LICENSE.txt")
    if not path.is_file():
        raise SystemExit(f"{path}, Python's license, is missing; build with Python of python.org.")
    return path.read_text(encoding="utf-8")


def license_problems(found: Iterable[Distribution]) -> Iterator[str]:
    """Distributions without a text, a sentence each."""
    for one in found:
        if not texts(one):
            yield (
                f"{one.name} has no license text in its wheel; add the text to resources/licenses "
                "and its name to licenses.STANDARD_TEXTS."
            )


def texts(one: Distribution) -> list[str]:
    """Every license text of a distribution, in its wheel or, failing that, the project's copy."""
    names = [file for file in one.files or () if LICENSE_NAME.search(str(file))]
    paths = [Path(str(one.locate_file(name))) for name in names if name.suffix not in _CODE]
    paths = [path for path in paths if path.is_file()]
    if not paths:
        kept = STANDARD_TEXTS.get(one.name, ())
        paths = [ROOT / "resources" / "licenses" / name for name in kept]
    found = (path.read_text(encoding="utf-8", errors="replace").strip() for path in paths)
    return list(dict.fromkeys(found))


def _summary(one: Distribution) -> str:
    """The license's name, where the project is, and what else must be known."""
    read = one.metadata.get_all
    name = next(iter(read("License-Expression") or read("License") or ()), "")
    links = dict(line.split(", ", 1) for line in read("Project-URL") or ())
    by_label = {label.lower(): link for label, link in links.items()}
    known = [by_label[label] for label in _LINKS if label in by_label]
    link = next(iter(known or read("Home-page") or ()), "")
    lines = (name.partition("\n")[0], link, NOTES.get(one.name, ""))
    return "\n".join(line for line in lines if line)


def _part(title: str, summary: str, texts: list[str]) -> str:
    return "\n\n".join(filter(None, (f"{_RULE}\n{title}\n{_RULE}", summary, *texts)))
