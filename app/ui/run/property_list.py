"""A scrolling list of names and values, such as a run's settings or data."""

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QGridLayout, QLabel, QScrollArea, QWidget

from app.ui.run.run_description import Facts
from app.ui.widgets.basic_widgets import MIN_WRAPPED_PX, CardFrame, label, selectable
from app.ui.widgets.layouts import GRID_PX, column, keep_bar, scroll_down

_NAME_PX = 200


class FactsView(QScrollArea):
    def __init__(self, name: str) -> None:
        super().__init__()
        self.setObjectName("column")
        self.setAccessibleName(name)
        scroll_down(self)
        keep_bar(self)

    def show_facts(self, sections: dict[str, Facts]) -> None:
        """Show each section in a card."""
        content = QWidget()
        content.setObjectName("column")
        layout = column(spacing=12)
        for heading, facts in sections.items():
            card = CardFrame(heading)
            card.inside.addLayout(_grid(facts))
            layout.addWidget(card)
        layout.addStretch(1)
        content.setLayout(layout)
        self.setWidget(content)


def _grid(facts: Facts) -> QGridLayout:
    grid = QGridLayout()
    grid.setHorizontalSpacing(2 * GRID_PX)
    grid.setVerticalSpacing(6)
    grid.setColumnMinimumWidth(0, _NAME_PX)
    grid.setColumnStretch(1, 1)
    for row, (name, text) in enumerate(facts):
        grid.addWidget(selectable(label(name, "secondary")), row, 0, Qt.AlignmentFlag.AlignTop)
        grid.addWidget(_value(text), row, 1, Qt.AlignmentFlag.AlignTop)
    return grid


def _value(text: str) -> QLabel:
    made = label(text, "", wraps=True)
    made.setMinimumWidth(MIN_WRAPPED_PX)
    return selectable(made)
