"""The icon file holds every size, and is what its script draws from the drawing."""

import importlib.util
import struct
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
from PySide6.QtGui import QImage
from PySide6.QtWidgets import QApplication

ICON = Path(__file__).parents[2] / "resources" / "icon"


@pytest.fixture(scope="module")
def icns_module() -> ModuleType:
    spec = importlib.util.spec_from_file_location("icns", ICON / "make" / "icns.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def entries(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    assert content[:4] == b"icns"
    assert struct.unpack(">I", content[4:8]) == (len(content),)
    place = 8
    while place < len(content):
        kind, size = struct.unpack(">4sI", content[place : place + 8])
        yield kind, content[place + 8 : place + size]
        place += size


def pixels(icns_module: ModuleType, kind: bytes, content: bytes) -> QImage:
    """A picture of the icon file, whichever way it is written."""
    if kind not in icns_module.PLAIN:
        return QImage.fromData(content).convertToFormat(QImage.Format.Format_ARGB32)
    size = icns_module.SIZES_PX[kind]
    assert content[:4] == b"ARGB"
    plain, place = b"", 4
    while place < len(content):
        count = content[place] + 1
        assert count <= 128
        plain += content[place + 1 : place + 1 + count]
        place += 1 + count
    planes = [plain[n * size * size : (n + 1) * size * size] for n in range(4)]
    alpha, red, green, blue = planes
    mixed = bytes(value for pixel in zip(blue, green, red, alpha, strict=True) for value in pixel)
    return QImage(mixed, size, size, QImage.Format.Format_ARGB32).copy()


def test_the_icon_file_holds_every_size_as_the_drawing_has_it(
    icns_module: ModuleType, qapp: QApplication
) -> None:
    drawn = dict(entries(icns_module.icns((ICON / "nestling.svg").read_bytes())))
    kept = dict(entries((ICON / "nestling.icns").read_bytes()))
    assert set(kept) == set(icns_module.SIZES_PX)
    assert sorted(set(icns_module.SIZES_PX.values())) == [16, 32, 64, 128, 256, 512, 1024]
    for kind, content in kept.items():
        picture = pixels(icns_module, kind, content)
        assert (picture.width(), picture.height()) == (icns_module.SIZES_PX[kind],) * 2
        assert picture.pixelColor(0, 0).alpha() == 0
        assert picture.pixelColor(picture.width() // 2, picture.height() // 2).alpha() == 255
        assert largest_difference(picture, pixels(icns_module, kind, drawn[kind])) <= 8


def largest_difference(one: QImage, other: QImage) -> int:
    """Of 255: another version of Qt smooths edges a little otherwise."""
    pairs = zip(bytes(one.constBits()), bytes(other.constBits()), strict=True)
    return max(abs(a - b) for a, b in pairs)
