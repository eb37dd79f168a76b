"""Libraries that the bundle takes from the building computer: those it needs, and their licenses.

PyInstaller collects more: libraries of plugins that stay out, and any that code names. One call in
transformers, to ask for its version, would bring NVIDIA's.
"""

import os
import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path, PurePosixPath

from app.packaging.bundle_contents import ROOT

Entry = tuple[str, str, str]
Part = tuple[str, list[str]]
"""The name of a package with its license texts."""

LICENSE_NAME = re.compile(
    r"(?<![a-z])(licen[cs]es?|copying|notice|authors)(?![a-z])[^/]*$", re.IGNORECASE
)
STANDARD_TEXTS = {r"lib(ssl|crypto)\.": ("OpenSSL", "Apache-2.0.txt")}
"""Libraries that Python's own installer for macOS brings without a text, by the beginning of their
names: their project, and its file of resources/licenses."""

_DOCUMENTS, _COMMON = Path("/usr/share/doc"), Path("/usr/share/common-licenses")
"""Where Debian has the license of each package, and the texts that many of them name."""
_COMMON_NAME = re.compile(rf"{_COMMON}/([A-Za-z0-9]+(?:-\d+(?:\.\d+)*)?)")
_KEG = re.compile(r".*/Cellar/([^/]+/[^/]+)")
"""The folder of a package of Homebrew."""
_PYTHON = re.compile(r"(lib)?python[\d.]*(\.|$)", re.IGNORECASE)


def system_libraries(entries: Iterable[Entry], made: Path) -> list[Entry]:
    """Those that no wheel and no Python brings, and that were not made for the bundle in `made`."""
    installed = (sysconfig.get_paths()[name] for name in ("purelib", "platlib", "platstdlib"))
    own = tuple(os.path.realpath(path) + os.sep for path in (*installed, str(made)))
    return [
        entry
        for entry in entries
        if entry[2] == "BINARY"
        and not os.path.realpath(entry[1]).startswith(own)
        and not _PYTHON.match(PurePosixPath(entry[0]).name)
    ]


def needed_libraries(path: str) -> Iterable[str]:
    """The libraries that a library or program loads, by their file names."""
    if sys.platform == "darwin":
        from app.packaging.mach_o import read_mach_o

        return [PurePosixPath(name).name for name in read_mach_o(Path(path)).libraries]
    done = subprocess.run(["objdump", "-p", path], capture_output=True, text=True, check=True)
    return re.findall(r"^ +NEEDED +(\S+)", done.stdout, re.MULTILINE)


def without_unneeded(
    entries: Iterable[Entry], made: Path, needed: Callable[[str], Iterable[str]] = needed_libraries
) -> list[Entry]:
    """The entries without those of the system's libraries that no other entry loads."""
    entries = list(entries)
    waiting = {PurePosixPath(one[0]).name: one for one in system_libraries(entries, made)}
    kept = [one for one in entries if one not in waiting.values()]
    for entry in kept:  # which grows
        if entry[2] != "SYMLINK":
            found = (waiting.pop(name, None) for name in needed(entry[1]))
            kept += [one for one in found if one is not None]
    return kept


def library_licenses(libraries: Iterable[Entry]) -> list[Part]:
    """The packages that the libraries are of, by name, and the texts that their own texts name.

    Raises SystemExit for a library whose license is not found.
    """
    paths = {os.path.realpath(source) for _, source, _ in libraries}
    packages = _debian_packages(paths)
    parts: dict[str, list[str]] = {}
    for path in sorted(paths):
        found = _debian_part(packages.get(path)) or _keg_part(path) or _standard_part(path)
        if found is None:
            raise SystemExit(
                f"{path} is of no package with a license text; leave it out, or add its text to "
                "resources/licenses and its name to system_libraries.STANDARD_TEXTS."
            )
        parts.setdefault(*found)
    named = _COMMON_NAME.findall("".join(text for texts in parts.values() for text in texts))
    common = sorted({(_COMMON / name).resolve() for name in named})  # GPL is GPL-3
    return [*sorted(parts.items()), *((one.name, [_read(one)]) for one in common if one.is_file())]


def _debian_packages(paths: Iterable[str]) -> dict[str, str]:
    """The package of Debian or Ubuntu that each file is of; some list it without /usr."""
    if shutil.which("dpkg-query") is None:
        return {}
    asked = {name: path for path in paths for name in (path, path.removeprefix("/usr"))}
    done = subprocess.run(
        ["dpkg-query", "--search", *asked], capture_output=True, text=True, check=False
    )
    found = {}
    for line in done.stdout.splitlines():
        package, _, name = line.partition(": ")
        if name in asked:
            found[asked[name]] = re.split("[:,]", package)[0]
    return found


def _debian_part(package: str | None) -> Part | None:
    text = _DOCUMENTS / str(package) / "copyright"
    return (package, [_read(text)]) if package and text.is_file() else None


def _keg_part(path: str) -> Part | None:
    if (keg := _KEG.match(path)) is None:
        return None
    texts = [_read(file) for file in _license_files(Path(keg[0]))]
    return (keg[1].replace("/", " "), texts) if texts else None


def _license_files(folder: Path) -> Iterator[Path]:
    return (one for one in sorted(folder.iterdir()) if LICENSE_NAME.search(one.name))


def _standard_part(path: str) -> Part | None:
    for name, (project, text) in STANDARD_TEXTS.items():
        if re.match(name, PurePosixPath(path).name):
            return project, [_read(ROOT / "resources" / "licenses" / text)]
    return None


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace").strip()
