"""A heat map of each adapted layer's change over time."""

from typing import Any

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import QRectF, Signal

from app.core.text.translation import tr
from app.ui.look.theme import Theme
from app.ui.plots.plot import Plot
from app.ui.plots.run_series import RunSeries
from app.ui.plots.style import SMALL_PX, heat_table
from app.ui.plots.tick_labels import value_text


class LayerHeatMap(Plot):
    """Rows are layers, the last layer at the top; columns are time bins; the color is the largest
    change in a bin.
    """

    top_changed = Signal(float)
    """Argument: the value of the strongest color."""

    left_label = tr("layer")
    has_grid = False

    def _make_items(self) -> None:
        self.image = pg.ImageItem(axisOrder="row-major")
        self.addItem(self.image)
        self.top = 0.0
        self._order: Any = np.zeros(0, int)

    def _recolor(self, theme: Theme) -> None:
        self.image.setLookupTable(heat_table(theme))

    def _clear(self) -> None:
        self.image.clear()
        layers = self.run.layers if self.run is not None else ()
        self._order = np.argsort(layers)
        self.box.setYRange(0, max(1, len(layers)), padding=0)

    def _draw(self, run: RunSeries, *_: float) -> None:
        if not run.layers:
            return
        heat = run.heat
        picture = np.ascontiguousarray(heat.table[:, self._order].T)
        top = heat_top(picture)
        self.image.setImage(picture, levels=(0.0, top), autoLevels=False)
        width = heat.count * heat.width
        self.image.setRect(QRectF(heat.first_step - 0.5, 0, width, len(picture)))
        self._name_rows(run)
        if top != self.top:
            self.top = top
            self.top_changed.emit(top)

    def _name_rows(self, run: RunSeries) -> None:
        rows = len(run.layers)
        fits = max(1, int(self.box.height() / (SMALL_PX + 2)))
        every = -(-rows // fits)
        shown = range(rows - 1, -1, -every)
        self.left.setTicks([[(row + 0.5, str(run.layers[self._order[row]])) for row in shown]])

    def _describe(self, run: RunSeries, step: int, y: float | None) -> str:
        if not run.layers:
            return tr("step {step:,}", step=step)
        column = (step - run.heat.first_step) // run.heat.width
        changes = run.heat.table[column, self._order]
        row = int(np.argmax(changes)) if y is None else min(max(int(y), 0), len(run.layers) - 1)
        first = run.heat.first_step + column * run.heat.width
        last = min(first + run.heat.width - 1, run.last_step)
        when = tr("step {step:,}", step=first)
        if last > first:
            when = tr("steps {first:,}–{last:,}", first=first, last=last)
        change = float(changes[row])
        # A run's folder stores it to within 5 %, so more digits would be misleading.
        size = tr("about {size}", size=value_text(change, digits=2)) if change else "0"
        layer = run.layers[self._order[row]]
        name = tr("most: layer {n}", n=layer) if y is None else tr("layer {n}", n=layer)
        return f"{when}  ·  {name}  ·  {size}"


def heat_top(picture: Any) -> float:
    """The value of the strongest color; only outliers lie above it."""
    moved = picture[picture > 0]
    if not moved.size:
        return 1.0
    usual, largest = float(np.percentile(moved, 99)), float(moved.max())
    return largest if largest <= 2 * usual else usual
