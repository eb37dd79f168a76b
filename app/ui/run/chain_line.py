"""The runs that a run continues, in a line of links: the oldest first, the run itself last."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QWidget

from app.core.text.translation import tr
from app.ui.look import formatting
from app.ui.look.plain_text import set_tip
from app.ui.widgets.basic_widgets import button, label
from app.ui.widgets.layouts import clear, row

if TYPE_CHECKING:
    from app.library.reading.starting_adapter import EarlierRun

_MOST_LINKS, _MOST_CHARACTERS = 3, 32
GONE = tr("This run is no longer here.")


class ChainLine(QWidget):
    """Only there for a run that began with an adapter."""

    run_requested = Signal(object)
    """Path of an earlier run's folder."""

    def __init__(self) -> None:
        super().__init__()
        self._layout = row(spacing=2)
        self.setLayout(self._layout)
        self.parts: list[QWidget] = []
        self._shown: tuple[EarlierRun, ...] = ()
        self.hide()

    def show_runs(self, runs: "Sequence[EarlierRun]") -> None:
        if tuple(runs) != self._shown:
            self._shown = tuple(runs)
            clear(self._layout)
            self.parts = []
            self._fill()
        self.setVisible(bool(runs))

    def _fill(self) -> None:
        self._layout.addWidget(label(tr("Continues"), "secondary"))
        left_out = self._shown[:-_MOST_LINKS]
        if left_out:
            dots = label("…", "secondary")
            set_tip(dots, " › ".join(_place(run.name, run.step) for run in left_out))
            self._layout.addWidget(dots)
        for number, run in enumerate(self._shown[-_MOST_LINKS:]):
            if number or left_out:
                self._layout.addWidget(label("›", "secondary"))
            self.parts.append(self._part(run))
            self._layout.addWidget(self.parts[-1])
        self._layout.addStretch(1)

    def _part(self, run: "EarlierRun") -> QWidget:
        text = _place(formatting.shortened(run.name, _MOST_CHARACTERS), run.step)
        if run.run_dir is None:
            made: QWidget = label(text, "secondary")
            set_tip(made, GONE if run.step is not None else run.name)
            return made
        link = button(text, lambda: self.run_requested.emit(run.run_dir), "link")
        link.setAccessibleName(tr("Open {run}", run=_place(run.name, run.step)))
        set_tip(link, tr("Open {run}", run=run.name))
        return link


def _place(name: str, step: int | None) -> str:
    return name if step is None else tr("{name}, step {step:,}", name=name, step=step)
