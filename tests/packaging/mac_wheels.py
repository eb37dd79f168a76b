"""The wheels of the pinned versions as a Mac gets them: downloaded on any system, and checked.

Knows wheels and their contents, not the bundle that is made of them.
"""

import re
import sys
import zipfile
from collections.abc import Iterator
from email.parser import HeaderParser
from pathlib import Path
from typing import Any

from app.core.system.compute_libraries import shader_target
from app.packaging.build_environment import CONSTRAINTS, mac_options, requirements, run
from app.packaging.bundle_contents import IMPORTED_BY_COMPILED_CODE, names_in_compiled_code
from app.packaging.info_plist import MINIMUM_SYSTEM
from app.packaging.mach_o import as_numbers, is_mach_o, read_mach_o

NEWER_BINDINGS = {"PySide6": "15.0", "shiboken6": "15.0"}
"""Packages whose Python modules ask for a newer macOS than their Qt; macOS does not hold
libraries to it."""


def download(folder: Path, version: str) -> None:
    """Every wheel of the app for a Mac with that Python, at the pinned versions."""
    run(
        [sys.executable, "-m", "pip", "download", "--quiet", "--dest", folder,
         *mac_options(version), "--constraint", CONSTRAINTS, *mac_requirements()]
    )  # fmt: skip


def mac_requirements() -> list[str]:
    """The app's dependencies on a Mac, and PyInstaller; pip evaluates markers for this system."""
    wanted = requirements()
    here = [line.partition(";")[0].strip() for line in wanted if _is_for_mac(line)]
    return [*here, "mlx-metal"]  # mlx asks for it by a marker


def _is_for_mac(requirement: str) -> bool:
    from packaging.requirements import Requirement

    marker = Requirement(requirement).marker
    return marker is None or marker.evaluate(_mac_environment())


def _mac_environment() -> Any:
    return {
        "sys_platform": "darwin", "platform_system": "Darwin", "platform_machine": "arm64",
        "os_name": "posix", "extra": "",
    }  # fmt: skip


def unpack(wheels: Path, site: Path) -> None:
    """All wheels side by side, as an installation has them."""
    for wheel in sorted(wheels.glob("*.whl")):
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(site)


def wheel_problems(wheels: Path) -> Iterator[str]:
    """Wheels for another system or processor, and dependencies on a Mac that are not there."""
    from packaging.utils import canonicalize_name, parse_wheel_filename

    there = set()
    for wheel in sorted(wheels.glob("*.whl")):
        name, _, _, tags = parse_wheel_filename(wheel.name)
        there.add(name)
        if not any(_runs_on_minimum(tag.platform) for tag in tags):
            yield f"{wheel.name} is for another system than macOS {MINIMUM_SYSTEM} on arm64."
    for wheel in sorted(wheels.glob("*.whl")):
        for needed in _needed_on_mac(wheel):
            if canonicalize_name(needed) not in there:
                yield f"{wheel.name} needs {needed}, which is not there."


def _runs_on_minimum(platform: str) -> bool:
    found = re.fullmatch(r"macosx_(\d+)_(\d+)_(arm64|universal2)", platform)
    if found is None:
        return platform == "any"
    return (int(found[1]), int(found[2])) <= as_numbers(MINIMUM_SYSTEM)


def _needed_on_mac(wheel: Path) -> Iterator[str]:
    from packaging.requirements import Requirement

    with zipfile.ZipFile(wheel) as archive:
        (name,) = [n for n in archive.namelist() if re.fullmatch(r"[^/]+\.dist-info/METADATA", n)]
        metadata = HeaderParser().parsestr(archive.read(name).decode())
    for line in metadata.get_all("Requires-Dist") or ():
        if _is_for_mac(line):
            yield Requirement(line).name


def site_problems(site: Path) -> Iterator[str]:
    """What is wrong with the unpacked wheels: shaders, minimum systems, imports from C++."""
    mlx = site / "mlx"
    if as_numbers(target := shader_target(mlx / "lib" / "mlx.metallib")) > as_numbers(
        MINIMUM_SYSTEM
    ):
        yield f"mlx.metallib asks for macOS {target}; the app is for {MINIMUM_SYSTEM}."
    for name in sorted(names_in_compiled_code(mlx) - set(IMPORTED_BY_COMPILED_CODE)):
        yield f"mlx.core imports {name}, which is not listed."
    for name in IMPORTED_BY_COMPILED_CODE:
        if not (site / f"{name.replace('.', '/')}.py").is_file():
            yield f"{name}, which mlx.core imports, is not in the wheel."
    for path in sorted(site.rglob("*")):
        if path.is_file() and is_mach_o(path):
            yield from _binary_problems(path, site)


def _binary_problems(path: Path, site: Path) -> Iterator[str]:
    binary, name = read_mach_o(path), path.relative_to(site)
    if not binary.has_arm64:
        yield f"{name} has no part for arm64."
    allowed = max(MINIMUM_SYSTEM, NEWER_BINDINGS.get(name.parts[0], ""), key=_order)
    if binary.minimum_system and as_numbers(binary.minimum_system) > as_numbers(allowed):
        yield f"{name} asks for macOS {binary.minimum_system}; the app is for {MINIMUM_SYSTEM}."


def _order(version: str) -> tuple[int, ...]:
    return as_numbers(version) if version else ()
