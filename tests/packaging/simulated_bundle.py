"""A Nestling.app put together on Linux by PyInstaller's own macOS code, over the wheels for a Mac.

It can't run, as no Python for macOS can be had here; its files, links and libraries are where the
real one has them, so that they can be checked. Run in a process of its own: it makes PyInstaller
believe that it is on a Mac.
"""

import ast
import importlib.util
import os
import platform
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from app import __version__
from app.packaging import bundle_contents
from app.packaging.info_plist import BUNDLE_ID, MINIMUM_SYSTEM, info_plist

Entry = tuple[str, str, str]

_TOOLS = {"lipo": ("llvm-lipo", 14), "install_name_tool": ("llvm-install-name-tool", 14)}
_BOOTLOADER = "PyInstaller/bootloader/Darwin-64bit/runw"


def simulate(linux_contents: Path, site: Path, output: Path) -> Path:
    """The bundle, made in `output`.

    `linux_contents` is the list of files that PyInstaller has written for the Linux build,
    `site` the unpacked wheels for a Mac.
    """
    output.mkdir(parents=True, exist_ok=True)
    _pretend_to_be_a_mac(output / "tools")
    entries = list(_translated(ast.literal_eval(linux_contents.read_text())[0], site))
    entries += _qt_plugins(site)
    entries += [("mlx.metallib", "mlx/lib/mlx.metallib", "SYMLINK")]
    return _bundled(entries, site, output)


def why_not() -> str:
    """What is missing here for making the bundle; empty where all is there."""
    if not all(_tool(*tool) for tool in _TOOLS.values()):
        return "llvm-lipo and llvm-install-name-tool are not installed"
    if importlib.util.find_spec("PyInstaller") is None:
        return "PyInstaller is not installed; use the Python that built the app"
    return ""


def _tool(name: str, version: int) -> str | None:
    return shutil.which(name) or shutil.which(f"{name}-{version}")


def _translated(linux: list[Entry], site: Path) -> Iterator[Entry]:
    """The entries of the Linux build with the Mac's files; libraries of Linux alone fall out.

    Raises SystemExit for a module that the Mac's wheels lack, and for a build of other packages
    than those here.
    """
    here = bundle_contents.package_folder("mlx").parent
    for destination, source, kind in linux:
        if kind in ("SYMLINK", "EXECUTABLE") or "/lib-dynload/" in source:
            continue
        path = Path(source)
        if not path.is_relative_to(here):
            if kind == "EXTENSION":
                raise SystemExit(f"{source} is not of {here}; use the Python that built the app.")
            if kind == "DATA":
                yield destination, source, kind
            continue
        name = _mac_name(str(path.relative_to(here)))
        if (site / name).is_file():
            yield _mac_name(destination), str(site / name), kind
        elif kind == "EXTENSION":
            raise SystemExit(f"The wheels for a Mac have no {name}.")
    mlx = site / "mlx" / "lib"
    yield "mlx/lib/mlx.metallib", str(mlx / "mlx.metallib"), "DATA"
    for library in sorted(mlx.glob("*.dylib")):
        yield f"mlx/lib/{library.name}", str(library), "BINARY"


def _mac_name(name: str) -> str:
    return name.replace("x86_64-linux-gnu.so", "darwin.so").replace("aarch64-linux-gnu", "darwin")


def _qt_plugins(site: Path) -> list[Entry]:
    folder = site / "PySide6" / "Qt" / "plugins"
    names = (str(path.relative_to(site)) for path in sorted(folder.rglob("*.dylib")))
    return [(name, str(site / name), "BINARY") for name in names if bundle_contents.is_kept(name)]


def _pretend_to_be_a_mac(tools: Path) -> None:
    """From here on PyInstaller takes its ways for macOS, with LLVM's tools and no codesign."""
    tools.mkdir(exist_ok=True)
    for name, tool in _TOOLS.items():
        found = _tool(*tool)
        if found is None:
            raise SystemExit(f"{tool[0]} is not installed.")
        (tools / name).unlink(missing_ok=True)
        (tools / name).symlink_to(found)
    codesign = tools / "codesign"
    codesign.write_text("#!/bin/sh\n")
    codesign.chmod(0o755)
    os.environ["PATH"] = f"{tools}{os.pathsep}{os.environ['PATH']}"
    # What asks for the system as it is loaded gets a true answer.
    sysconfig.get_config_vars()
    importlib.import_module("urllib.request")
    sys.platform = "darwin"
    platform.system = lambda: "Darwin"
    platform.machine = lambda: "arm64"
    platform.mac_ver = lambda *_, **__: (MINIMUM_SYSTEM, ("", "", ""), "arm64")


def _bundled(entries: list[Entry], site: Path, output: Path) -> Path:
    from PyInstaller import config
    from PyInstaller.building import api, osx
    from PyInstaller.depend import bindepend
    from PyInstaller.utils import osx as osx_tools

    config.CONF.update(
        cachedir=str(output / "cache"), distpath=str(output), workpath=str(output),
        specpath=str(bundle_contents.ROOT), spec=str(bundle_contents.ROOT / "build_macos.spec"),
        specnm="simulated", noconfirm=True, upx_dir=None, upx_available=False, strip=False,
    )  # fmt: skip
    osx_tools.sign_binary = lambda *_, **__: None
    sys.executable = str(site / _BOOTLOADER)  # some program for macOS
    bindepend._get_paths_for_parent_directory_preservation = lambda: [site]
    binaries = [entry for entry in entries if entry[2] in ("BINARY", "EXTENSION")]
    others = [entry for entry in entries if entry[2] not in ("BINARY", "EXTENSION")]
    found = bindepend.binary_dependency_analysis(binaries, [str(site)], set())
    found = osx_tools.collect_files_from_framework_bundles([*found, *others])
    program = output / "Nestling"
    shutil.copyfile(site / _BOOTLOADER, program)
    _run("lipo", "-thin", "arm64", str(program), "-output", str(program))
    folder: Any = api.COLLECT.__new__(api.COLLECT)  # what the spec hands over, without its work
    folder.toc = [*bundle_contents.without_dropped(found), ("Nestling", str(program), "EXECUTABLE")]
    folder.strip_binaries = folder.upx_binaries = folder.console = False
    folder.upx_exclude, folder.target_arch = [], "arm64"
    folder.codesign_identity = folder.entitlements_file = None
    osx.BUNDLE(
        folder,
        name="Nestling.app",
        icon=str(bundle_contents.ROOT / "resources" / "icon" / "nestling.icns"),
        bundle_identifier=BUNDLE_ID, version=__version__, info_plist=info_plist(),
    )  # fmt: skip
    return output / "Nestling.app"


def _run(*command: str) -> None:
    subprocess.run(command, check=True)


if __name__ == "__main__":
    simulate(*map(Path, sys.argv[1:4]))
