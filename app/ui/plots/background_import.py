"""What plots stand on is imported beside the window's thread, and plots are made one by one, so
that the window is never held up for longer than one of them takes.
"""

import importlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

from app.ui.look.theme import Theme

if TYPE_CHECKING:
    from app.ui.plots.run_plots import RunPlots

_IMPORTED = (
    "pyqtgraph",
    "numpy.ma",  # numpy imports it the first time values are sorted
    "app.library.reading.run_details",
    "app.ui.plots.run_plots",
    "app.ui.data.length_plot",
)


def import_plotting() -> None:
    """Takes a second; for a thread that nobody waits for."""
    for name in _IMPORTED:
        importlib.import_module(name)


def run_plots_in_steps(theme: Theme) -> "Iterator[RunPlots | None]":
    """Yields None after each step, and the plots at the end; they take no drops: those are the
    window's."""
    from PySide6.QtWidgets import QWidget

    from app.ui.plots.run_plot_cards import PLOTS
    from app.ui.plots.run_plots import RunPlots

    plots = []
    for kind in PLOTS:
        plots.append(kind(theme))
        yield None
    made = RunPlots(theme=theme, plots=tuple(plots))
    yield None
    for part in made.findChildren(QWidget):
        part.setAcceptDrops(False)
    yield made
