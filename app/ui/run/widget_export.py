"""A widget as a picture: PNG at twice its size, or SVG whose lines stay lines."""

from collections.abc import Iterator
from contextlib import contextmanager

from PySide6.QtCore import QBuffer, QByteArray, QIODevice
from PySide6.QtGui import QPainter, QPixmap
from PySide6.QtSvg import QSvgGenerator
from PySide6.QtWidgets import QGraphicsView, QWidget

SCALE = 2.0


def as_png(widget: QWidget) -> bytes:
    pixmap = QPixmap(widget.size() * SCALE)
    pixmap.setDevicePixelRatio(SCALE)
    pixmap.fill(widget.palette().window().color())
    widget.render(pixmap)
    return _written(lambda buffer: pixmap.save(buffer, "PNG"))


def as_svg(widget: QWidget, title: str) -> bytes:
    return _written(lambda buffer: _paint_svg(widget, title, buffer))


def _paint_svg(widget: QWidget, title: str, buffer: QBuffer) -> None:
    made = QSvgGenerator()
    made.setOutputDevice(buffer)
    made.setSize(widget.size())
    made.setViewBox(widget.rect())
    made.setTitle(title)
    painter = QPainter(made)
    painter.fillRect(widget.rect(), widget.palette().window())
    with _dots_as_shapes(widget):
        widget.render(painter, widget.rect().topLeft())
    painter.end()


@contextmanager
def _dots_as_shapes(widget: QWidget) -> Iterator[None]:
    """On the screen dots are copied from a small picture; in an SVG they come out beside their
    places, as pieces of that picture."""
    views = widget.findChildren(QGraphicsView)
    items = [item for view in views for item in view.scene().items()]
    plotted = [item for item in items if hasattr(item, "setExportMode")]
    for item in plotted:
        item.setExportMode(True, {"antialias": True})
    try:
        yield
    finally:
        for item in plotted:
            item.setExportMode(False)


def _written(write: object) -> bytes:
    content = QByteArray()
    buffer = QBuffer(content)
    buffer.open(QIODevice.OpenModeFlag.WriteOnly)
    write(buffer)  # type: ignore[operator]
    buffer.close()
    return bytes(content.data())
