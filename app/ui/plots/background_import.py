"""Imports the plotting library on another thread and creates the plots one by one, so that the
window is never blocked for longer than one of these steps.
"""

import importlib
from collections.abc import Iterator
from time import perf_counter
from typing import TYPE_CHECKING

from PySide6 import QtCore, QtGui, QtWidgets

from app.ui.look.theme import Theme

if TYPE_CHECKING:
    from app.ui.plots.run_plots import RunPlots

_IMPORTED = (
    "pyqtgraph",
    "numpy.ma",  # numpy imports it when it first sorts values
    "app.library.reading.run_details",
    "app.ui.plots.run_plots",
    "app.ui.data.length_plot",
)


_STEP_SECONDS = 0.004


def make_qt_types() -> Iterator[None]:
    """Make PySide create all its types on the GUI thread; yields every few milliseconds.

    PySide creates a type when it is first used, and no lock protects its list of pending types.
    pyqtgraph uses all of them on another thread while events use some on the GUI thread, which once
    crashed the process on a busy machine. If two threads use all of them at once, most processes
    crash.
    """
    begun = perf_counter()
    for module in (QtCore, QtGui, QtWidgets):
        for name in dir(module):
            getattr(module, name)
            if perf_counter() - begun > _STEP_SECONDS:
                yield
                begun = perf_counter()


def import_plotting() -> None:
    """Import the plotting modules, which takes a second. Run it on a background thread after
    `make_qt_types`.
    """
    for name in _IMPORTED:
        importlib.import_module(name)


def run_plots_in_steps(theme: Theme) -> "Iterator[RunPlots | None]":
    """Yields None after each step, and finally the plots. They ignore drops, which belong to the
    window.
    """
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
