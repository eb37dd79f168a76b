"""The faint area behind a curve of many points: how far its values reach."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pyqtgraph as pg
from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QPainter, QPolygonF

from app.ui.plots.series import Values


class Band(pg.GraphicsObject):  # type: ignore[misc]
    """The area between the smallest and the largest values of short stretches."""

    def __init__(self) -> None:
        super().__init__()
        self.fill = QColor()
        self._polygon = QPolygonF()

    def cover(self, x: npt.NDArray[Any], low: Values, high: Values) -> None:
        """Covers what lies between `low` and `high` along `x`."""
        self._take(np.concatenate([x, x[::-1]]), np.concatenate([low, high[::-1]]))

    def clear(self) -> None:
        """Covers nothing."""
        self._take(np.zeros(0), np.zeros(0))

    def point_count(self) -> int:
        """Corners of the area."""
        return self._polygon.size()

    def boundingRect(self) -> QRectF:
        return self._polygon.boundingRect()

    def paint(self, painter: QPainter, *_: Any) -> None:
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(self.fill)
        painter.drawPolygon(self._polygon)

    def _take(self, x: Any, y: Any) -> None:
        self.prepareGeometryChange()
        corners = zip(x.tolist(), y.tolist(), strict=True)
        self._polygon = QPolygonF([QPointF(px, py) for px, py in corners])
        self.update()
