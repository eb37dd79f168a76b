"""The area of a plot: a drag along it selects steps, a double click asks for all of them."""

from typing import Any

import pyqtgraph as pg
from PySide6.QtCore import QPointF, Qt, Signal


class StepBox(pg.ViewBox):  # type: ignore[misc]
    """A view that reports drags along the steps and leaves scrolling to the page."""

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
