"""What plots stand on is imported beside the window's thread, and plots are made one by one, so
that the window is never held up for longer than one of them takes.
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
    "numpy.ma",  # numpy imports it the first time values are sorted
    "app.library.reading.run_details",
    "app.ui.plots.run_plots",
    "app.ui.data.length_plot",
)


_STEP_SECONDS = 0.004


def make_qt_types() -> Iterator[None]:
    """Has PySide make all its types, in the window's thread; yields every few milliseconds.

    PySide makes a type when it is first asked for, and nothing locks its list of those to come.
    pyqtgraph asks for all of them beside the window's thread, where events ask for some: once, on a
    busy machine, the process died of it. Where two threads ask for all at once, most processes die.
    """
    begun = perf_counter()
    for module in (QtCore, QtGui, QtWidgets):
        for name in dir(module):
            getattr(module, name)
            if perf_counter() - begun > _STEP_SECONDS:
                yield
                begun = perf_counter()


def import_plotting() -> None:
    """Takes a second; for a thread that nobody waits for, once Qt's types are made."""
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
