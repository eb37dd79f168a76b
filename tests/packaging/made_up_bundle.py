"""A small Nestling.app with the real one's structure, and Mach-O files made by hand."""

import plistlib
import shutil
import struct
from pathlib import Path
from typing import Any

from app import __version__
from app.packaging.info_plist import BUNDLE_ID, info_plist
from app.self_test.component_checks import SHIPPED

ROOT = Path(__file__).parents[2]
ARM64, X86_64 = 0x0100000C, 0x01000007


def mach_o(
    *, libraries: tuple[str, ...] = (), rpaths: tuple[str, ...] = (), minimum: str = "13.0",
    cpu: int = ARM64,
) -> bytes:  # fmt: skip
    """A library for one processor, of load commands alone."""
    major, minor = map(int, minimum.split("."))
    commands = [struct.pack("<IIIIII", 0x32, 24, 1, (major << 16) | (minor << 8), 0, 0)]
    commands += [_named(0xC, struct.pack("<IIII", 24, 0, 0, 0), name) for name in libraries]
    commands += [_named(0x8000001C, struct.pack("<I", 12), path) for path in rpaths]
    body = b"".join(commands)
    return struct.pack("<IIIIIIII", 0xFEEDFACF, cpu, 0, 6, len(commands), len(body), 0, 0) + body


def _named(command: int, head: bytes, name: str) -> bytes:
    text = name.encode() + b"\0"
    text += b"\0" * (-(8 + len(head) + len(text)) % 8)
    return struct.pack("<II", command, 8 + len(head) + len(text)) + head + text


def metallib(major: int = 14, minor: int = 0) -> bytes:
    return b"MTLB" + bytes(8) + struct.pack("<HH", major, minor) + bytes(16)


def plist(**changes: Any) -> dict[str, Any]:
    """What PyInstaller writes together with what the spec gives."""
    return {
        "CFBundleIdentifier": BUNDLE_ID, "CFBundleExecutable": "Nestling",
        "CFBundleIconFile": "nestling.icns", "CFBundlePackageType": "APPL",
        "CFBundleShortVersionString": __version__, **info_plist(), **changes,
    }  # fmt: skip


def make_bundle(folder: Path) -> Path:
    """A bundle without a fault."""
    bundle = folder / "Nestling.app"
    contents = bundle / "Contents"
    code, data = contents / "Frameworks", contents / "Resources"
    write(contents / "Info.plist", plistlib.dumps(plist()))
    write(contents / "MacOS" / "Nestling", mach_o())
    data.mkdir(parents=True)
    shutil.copy(ROOT / "resources" / "icon" / "nestling.icns", data)
    write(data / "commit.txt", b"0123456789\n")
    write(data / "licenses.txt", b"x")
    for name in SHIPPED:
        write(data / "resources" / name, b"x")
    write(data / "mlx" / "lib" / "mlx.metallib", metallib())
    write(code / "mlx" / "lib" / "libmlx.dylib", mach_o())
    (code / "mlx" / "lib" / "mlx.metallib").symlink_to("../../../Resources/mlx/lib/mlx.metallib")
    (code / "libmlx.dylib").symlink_to("mlx/lib/libmlx.dylib")
    (code / "mlx.metallib").symlink_to("mlx/lib/mlx.metallib")
    core = mach_o(libraries=("@rpath/libmlx.dylib",), rpaths=("@loader_path/..",))
    write(code / "mlx" / "core.cpython-312-darwin.so", core)
    plugins = code / "PySide6" / "Qt" / "plugins"
    for name in ("platforms/libqcocoa", "platforms/libqoffscreen", "styles/libqmacstyle"):
        write(plugins / f"{name}.dylib", mach_o())
    return bundle


def write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
