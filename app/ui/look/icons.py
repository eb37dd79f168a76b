"""The app's glyphs: line drawings on a 24-unit grid, drawn in any color."""

from PySide6.QtCore import QByteArray, QSize, Qt
from PySide6.QtGui import QIcon, QPainter, QPixmap
from PySide6.QtSvg import QSvgRenderer

from app.core.files.paths import resources_dir

_PATHS = {
    "train": "M4 18 9.5 11l4 4L20 6M20 6h-5M20 6v5",
    "data": "M4 6h16M4 11h16M4 16h9M16.5 14.5a3 3 0 1 0 .01 0M19 19.5l2 2",
    "library": "M5 4v16M10 4v16M14.5 5l4.5 15",
    "queue": "M4 6h10M4 12h10M4 18h6M17 13v8l5-4z",
    "try": "M5 5h14q1.5 0 1.5 1.5v8q0 1.5-1.5 1.5h-7l-4 4v-4H5q-1.5 0-1.5-1.5v-8Q3.5 5 5 5",
    "models": "M12 3.5 19.5 8v8.5L12 20.5 4.5 16.5V8zM4.5 8l7.5 4 7.5-4M12 12v8.5",
    "drop": "M12 4v11M7.5 10.5 12 15l4.5-4.5M4 16v3q0 1.5 1.5 1.5h13q1.5 0 1.5-1.5v-3",
    "remove": "M7 7l10 10M17 7 7 17",
    "less": "M7 12h10M12 3.5a8.5 8.5 0 1 0 0 17a8.5 8.5 0 1 0 0-17",
    "warning": "M12 4.5 21 19.5H3zM12 10.5v4M12 17v.01",
    "start": "M8 5.5v13l10.5-6.5z",
    "pause": "M8.5 6v12M15.5 6v12",
    "stop": "M7 7h10v10H7z",
    "closed": "M4 7l5 5-5 5",
    "open": "M2 10l5 5 5-5",
}
_SCALES = (1.0, 2.0, 3.0)


def icon(name: str, color: str, size_px: int = 18) -> QIcon:
    """The glyph as an icon that is sharp on standard and Retina displays."""
    made = QIcon()
    for scale in _SCALES:
        made.addPixmap(glyph(name, color, size_px, scale))
    return made


def glyph(name: str, color: str, size_px: int, scale: float = 2.0) -> QPixmap:
    """The glyph as a pixmap of `size_px` logical pixels."""
    drawing = (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 24 24">'
        f'<path d="{_PATHS[name]}" fill="none" stroke="{color}" stroke-width="1.75" '
        'stroke-linecap="round" stroke-linejoin="round"/></svg>'
    )
    pixmap = QPixmap(QSize(size_px, size_px) * scale)
    pixmap.fill(Qt.GlobalColor.transparent)
    painter = QPainter(pixmap)
    QSvgRenderer(QByteArray(drawing.encode())).render(painter)
    painter.end()
    pixmap.setDevicePixelRatio(scale)
    return pixmap


def app_icon() -> QIcon:
    return QIcon(str(resources_dir() / "icon" / "nestling.svg"))
