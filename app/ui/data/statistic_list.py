"""A list of figures: the name on the left, the value and a note on the right."""

from collections.abc import Sequence

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QGridLayout, QLabel, QWidget

from app.ui.data.dataset_text import Figure
from app.ui.widgets.basic_widgets import label
from app.ui.widgets.layouts import GRID_PX


class FigureList(QWidget):
    def __init__(self) -> None:
        super().__init__()
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setHorizontalSpacing(2 * GRID_PX)
        self._grid.setVerticalSpacing(6)
        self._grid.setColumnStretch(1, 1)
        self._rows: list[tuple[QLabel, QLabel, QLabel]] = []
        self.shown: Sequence[Figure] = ()

    def show_figures(self, figures: Sequence[Figure]) -> None:
        """Labels are reused; only changed texts are set."""
        self.shown = figures
        while len(self._rows) < len(figures):
            self._add_row()
        for index, labels in enumerate(self._rows):
            figure = figures[index] if index < len(figures) else Figure("", "")
            for shown, text in zip(labels, (figure.name, figure.value, figure.note), strict=True):
                if shown.text() != text:
                    shown.setText(text)
                shown.setVisible(bool(text))

    def _add_row(self) -> None:
        row = 2 * len(self._rows)
        top = Qt.AlignmentFlag.AlignTop
        labels = (
            label("", "secondary"),
            label("", "", wraps=True),
            label("", "caption", wraps=True),
        )
        self._grid.addWidget(labels[0], row, 0, top)
        self._grid.addWidget(labels[1], row, 1)
        self._grid.addWidget(labels[2], row + 1, 1)
        self._rows.append(labels)
