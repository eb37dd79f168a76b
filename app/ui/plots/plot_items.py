"""Parts of plots: the band behind a dense curve, and a view box in which a drag selects steps."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pyqtgraph as pg
from PySide6.QtCore import QPointF, QRectF, Qt, Signal
from PySide6.QtGui import QColor, QPainter, QPolygonF

from app.ui.plots.series import Values


class Band(pg.GraphicsObject):  # type: ignore[misc]
    """The area between the minima and maxima of short stretches of a curve."""

    def __init__(self) -> None:
        super().__init__()
        self.fill = QColor()
        self._polygon = QPolygonF()

    def cover(self, x: npt.NDArray[Any], low: Values, high: Values) -> None:
        """Fill the area between `low` and `high` along `x`."""
        self._take(np.concatenate([x, x[::-1]]), np.concatenate([low, high[::-1]]))

    def clear(self) -> None:
        """Remove the area."""
        self._take(np.zeros(0), np.zeros(0))

    def point_count(self) -> int:
        """The number of corners of the area."""
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


class StepBox(pg.ViewBox):  # type: ignore[misc]
    """A view box that reports horizontal drags and ignores the mouse wheel."""

    dragged = Signal(float, float)
    double_clicked = Signal()

    def __init__(self) -> None:
        super().__init__(enableMenu=False, defaultPadding=0)
        self.setMouseEnabled(x=False, y=False)
        self.disableAutoRange()

    def mouseDragEvent(self, ev: Any, *_: Any) -> None:
        ev.accept()
        if ev.button() != Qt.MouseButton.LeftButton:
            return
        start, now = ev.buttonDownPos(), ev.pos()
        area = self.boundingRect()
        ends = sorted(min(max(p.x(), area.left()), area.right()) for p in (start, now))
        if not ev.isFinish():
            corners = QPointF(ends[0], area.top()), QPointF(ends[1], area.bottom())
            self.updateScaleBox(*corners)
            return
        self.rbScaleBox.hide()
        if ends[1] - ends[0] > 4:
            low, high = (self.mapToView(QPointF(x, 0)).x() for x in ends)
            self.dragged.emit(low, high)

    def mouseClickEvent(self, ev: Any) -> None:
        if ev.double():
            ev.accept()
            self.double_clicked.emit()
