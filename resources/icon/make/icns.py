"""Draws resources/icon/nestling.icns from nestling.svg, in every size that macOS asks for.

    python resources/icon/make/icns.py

Needs PySide6 alone; runs on any system.
"""

import os
import struct
import sys
from pathlib import Path

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

from PySide6.QtCore import QBuffer, QByteArray, Qt
from PySide6.QtGui import QGuiApplication, QImage, QPainter
from PySide6.QtSvg import QSvgRenderer

ICON = Path(__file__).resolve().parents[1]

SIZES_PX = {
    b"ic04": 16, b"ic11": 32, b"ic05": 32, b"ic12": 64, b"ic07": 128, b"ic13": 256,
    b"ic08": 256, b"ic14": 512, b"ic09": 512, b"ic10": 1024,
}  # fmt: skip
"""Type of each entry and its pixels: 16, 32, 128, 256 and 512 points, plain and Retina."""
PLAIN = (b"ic04", b"ic05")
"""Entries that macOS reads as four planes, as its own iconutil writes them; the others are PNG."""
_LONGEST_LITERAL = 128

_HEADER = struct.Struct(">4sI")


def main() -> None:
    application = QGuiApplication(sys.argv[:1])
    (ICON / "nestling.icns").write_bytes(icns((ICON / "nestling.svg").read_bytes()))
    application.quit()


def icns(svg: bytes) -> bytes:
    """The icon file: a header, then each picture as PNG behind its type and length."""
    renderer = QSvgRenderer(QByteArray(svg))
    entries = b""
    for kind, size in SIZES_PX.items():
        picture = drawn(renderer, size)
        content = planes(picture) if kind in PLAIN else png(picture)
        entries += _HEADER.pack(kind, _HEADER.size + len(content)) + content
    return _HEADER.pack(b"icns", _HEADER.size + len(entries)) + entries


def drawn(renderer: QSvgRenderer, size_px: int) -> QImage:
    """The drawing on a transparent square."""
    image = QImage(size_px, size_px, QImage.Format.Format_ARGB32_Premultiplied)
    image.fill(Qt.GlobalColor.transparent)
    painter = QPainter(image)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    renderer.render(painter)
    painter.end()
    return image.convertToFormat(QImage.Format.Format_ARGB32)


def png(image: QImage) -> bytes:
    buffer = QBuffer()
    buffer.open(QBuffer.OpenModeFlag.WriteOnly)
    image.save(buffer, "PNG")
    return bytes(buffer.data().data())


def planes(image: QImage) -> bytes:
    """Alpha, red, green and blue one after the other, in the run-length code of icon files."""
    content = b"ARGB"
    pixels = bytes(image.constBits())  # blue, green, red, alpha
    for channel in (3, 2, 1, 0):
        plane = pixels[channel::4]
        for start in range(0, len(plane), _LONGEST_LITERAL):
            literal = plane[start : start + _LONGEST_LITERAL]
            content += bytes([len(literal) - 1]) + literal
    return content


if __name__ == "__main__":
    main()
