"""The static check of a Nestling.app: everything that can be seen in its files, on any system.

python -m app.packaging check dist/Nestling.app
"""

import os
import plistlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from app.core.system.compute_libraries import shader_target
from app.core.system.version import LICENSES_FILE
from app.packaging.bundle_contents import KEPT_QT_PLUGINS
from app.packaging.info_plist import IMPORTED_TYPES, MINIMUM_SYSTEM, SYSTEM_TYPES, info_plist
from app.packaging.mach_o import MachO, as_numbers, is_mach_o, read_mach_o
from app.self_test.component_checks import SHIPPED

BUDGET_BYTES = 400_000_000
REQUIRED = (
    "Contents/MacOS/Nestling", "Contents/Resources/nestling.icns",
    "Contents/Resources/commit.txt", f"Contents/Resources/{LICENSES_FILE}",
    *(f"Contents/Resources/resources/{name}" for name in SHIPPED),
    "Contents/Resources/mlx/lib/mlx.metallib", "Contents/Frameworks/mlx/lib/libmlx.dylib",
    "Contents/Frameworks/PySide6/Qt/plugins/platforms/libqcocoa.dylib",
    "Contents/Frameworks/PySide6/Qt/plugins/platforms/libqoffscreen.dylib",
    "Contents/Frameworks/PySide6/Qt/plugins/styles/libqmacstyle.dylib",
)  # fmt: skip


def bundle_problems(bundle: Path) -> Iterator[str]:
    """What is wrong with the bundle, a sentence each; nothing if all is well."""
    bundle = bundle.resolve()
    yield from _missing(bundle)
    yield from _plist_problems(bundle)
    links = [path for path in _walk(bundle) if path.is_symlink()]
    yield from _link_problems(bundle, links)
    files = [path for path in _walk(bundle) if not path.is_symlink() and path.is_file()]
    binaries = {path: read_mach_o(path) for path in files if is_mach_o(path)}
    yield from _place_problems(bundle, files, set(binaries))
    for binary in binaries.values():
        yield from _binary_problems(bundle, binary)
    yield from _mlx_problems(bundle, files)


def size_problem(bundle: Path, most: int = BUDGET_BYTES) -> str:
    """That the bundle is larger than its budget; empty if it is not."""
    files = (path for path in _walk(bundle) if path.is_file() and not path.is_symlink())
    size = sum(path.stat().st_size for path in files)
    return f"{size / 1e6:.0f} MB; the budget is {most / 1e6:.0f}." if size > most else ""


def _walk(bundle: Path) -> Iterator[Path]:
    for folder, folders, names in os.walk(bundle):
        for name in (*folders, *names):
            yield Path(folder, name)


def _missing(bundle: Path) -> Iterator[str]:
    for name in REQUIRED:
        if not (bundle / name).exists():
            yield f"{name} is missing."


def _plist_problems(bundle: Path) -> Iterator[str]:
    try:
        values = plistlib.loads((bundle / "Contents" / "Info.plist").read_bytes())
    except (OSError, plistlib.InvalidFileException) as error:
        yield f"Info.plist can't be read: {error}"
        return
    for key, expected in info_plist().items():
        if values.get(key) != expected or type(values.get(key)) is not type(expected):
            yield f"Info.plist: {key} is {values.get(key)!r}, not {expected!r}."
    for key in ("CFBundleIdentifier", "CFBundleExecutable", "CFBundleShortVersionString"):
        if not isinstance(values.get(key), str):
            yield f"Info.plist: {key} is missing."
    for key in ("LSUIElement", "LSBackgroundOnly"):
        if key in values:
            yield f"Info.plist: {key} hides the app."
    yield from plist_type_problems(values)


def plist_type_problems(values: dict[str, Any]) -> Iterator[str]:
    """Document types that neither macOS nor the bundle declares."""
    declared = {one.get("UTTypeIdentifier") for one in values.get("UTImportedTypeDeclarations", ())}
    for document in values.get("CFBundleDocumentTypes", ()):
        for identifier in document.get("LSItemContentTypes", ()):
            if identifier not in SYSTEM_TYPES | declared:
                yield f"Info.plist: the document type {identifier} is declared nowhere."
    for identifier in declared - set(IMPORTED_TYPES):
        yield f"Info.plist: {identifier} is declared and not expected."


def _link_problems(bundle: Path, links: list[Path]) -> Iterator[str]:
    for link in links:
        name, target = link.relative_to(bundle), os.readlink(link)
        if os.path.isabs(target):
            yield f"{name} links to an absolute path, {target}."
        elif not link.exists():
            yield f"{name} links to {target}, which is not there."
        elif not link.resolve().is_relative_to(bundle):
            yield f"{name} links out of the bundle, to {target}."


def _place_problems(bundle: Path, files: list[Path], binaries: set[Path]) -> Iterator[str]:
    """Code in Resources is not signed; data beside code loses its signature when copied."""
    contents = bundle / "Contents"
    for path in files:
        name = path.relative_to(bundle)
        is_in_framework = any(parent.suffix == ".framework" for parent in path.parents)
        if path.is_relative_to(contents / "Resources"):
            if path in binaries:
                yield f"{name} is code among data."
        elif path.is_relative_to(contents / "Frameworks") and not is_in_framework:
            if path not in binaries:
                yield f"{name} is data among code."
            if any("." in part for part in path.relative_to(contents / "Frameworks").parts[:-1]):
                yield f"{name} is in a folder with a dot, which codesign takes for a bundle."
        if (plugin := _unwanted_plugin(path)) is not None:
            yield f"{name}: the Qt plugin {plugin} is not needed."


def _unwanted_plugin(path: Path) -> str | None:
    if path.parent.parent.name != "plugins" or path.suffix != ".dylib":
        return None
    name = path.stem.removeprefix("lib")
    return None if name in KEPT_QT_PLUGINS.get(path.parent.name, ()) else name


def _binary_problems(bundle: Path, binary: MachO) -> Iterator[str]:
    name = binary.path.relative_to(bundle)
    if not binary.is_arm64_alone and binary.path.parent.name != "MacOS":
        yield f"{name} is not for arm64 alone."
    if not binary.has_arm64:
        yield f"{name} has no part for arm64."
    for library in binary.libraries:
        if not any(path.exists() for path in candidates(bundle, binary, library)):
            yield f"{name} needs {library}, which is not in the bundle."


def candidates(bundle: Path, binary: MachO, library: str) -> list[Path]:
    """Where dyld looks for a library that a binary names; nowhere for one outside the bundle."""
    if library.startswith("@rpath/"):
        rest = library.removeprefix("@rpath/")
        names = [f"{path.rstrip('/')}/{rest}" for path in binary.search_paths]
    else:
        names = [library]
    found = []
    for name in names:
        if name.startswith("@loader_path/"):
            found.append(binary.path.parent / name.removeprefix("@loader_path/"))
        elif name.startswith("@executable_path/"):
            found.append(bundle / "Contents/MacOS" / name.removeprefix("@executable_path/"))
    return found


def _mlx_problems(bundle: Path, files: list[Path]) -> Iterator[str]:
    """MLX looks for its shaders beside the file of its library alone, and must be there once."""
    libraries = [path for path in files if path.name == "libmlx.dylib"]
    if len(libraries) != 1:
        yield f"There are {len(libraries)} files libmlx.dylib; two in one process abort it."
    cores = [path for path in files if path.name.startswith("core.") and _is_mlx(path)]
    if not cores:
        yield "mlx.core is missing."
    for core in cores:
        for name in (one for one in read_mach_o(core).libraries if one.endswith("libmlx.dylib")):
            for place in candidates(bundle, read_mach_o(core), name):
                if place.exists():
                    yield from _shader_problems(bundle, place)


def _is_mlx(path: Path) -> bool:
    return path.parent.name == "mlx" and path.suffix == ".so"


def _shader_problems(bundle: Path, library: Path) -> Iterator[str]:
    for place in {library.parent.resolve(), library.resolve().parent}:
        shaders = place / "mlx.metallib"
        if not shaders.is_file():
            yield f"{place.relative_to(bundle)} holds libmlx.dylib and no mlx.metallib."
        elif as_numbers(target := shader_target(shaders)) > as_numbers(MINIMUM_SYSTEM):
            yield f"mlx.metallib asks for macOS {target}; the app is for {MINIMUM_SYSTEM}."
