"""The first rows of the plan's dataset, as the model would see them."""

from PySide6.QtCore import Signal
from PySide6.QtGui import QShowEvent
from PySide6.QtWidgets import QVBoxLayout, QWidget

from app.core.text.sentences import localized
from app.core.text.translation import tr
from app.ui.data.preview import Preview
from app.ui.data.rendered_rows import Legend, RowsText
from app.ui.data.rows_view import READING
from app.ui.look.theme import Theme
from app.ui.widgets.building_blocks import button, card, label, message, row, say

LEAST_PX = 160


class PlanRows(QWidget):
    """Shows the page of rows that the Data page shows."""

    data_requested = Signal()

    def __init__(self, preview: Preview) -> None:
        super().__init__()
        self._preview = preview
        self.text = RowsText(tr("First rows of the dataset"), READING)
        self.text.setMinimumHeight(LEAST_PX)
        self.text.setFrameShape(self.text.Shape.NoFrame)
        self.legend = Legend()
        self.problem = message("problem")
        self.inspect = button(tr("Inspect"), self.data_requested.emit, "link")
        self.inspect.setAccessibleDescription(tr("Show the Data page"))
        self.title = label("", "heading")
        frame, inside = card()
        inside.addLayout(row(self.title, None, self.inspect))
        inside.addWidget(self.problem)
        inside.addWidget(self.text, 1)
        inside.addWidget(self.legend)
        outside = QVBoxLayout(self)
        outside.setContentsMargins(0, 0, 0, 0)
        outside.addWidget(frame)
        preview.changed.connect(self.refresh)
        self.refresh()

    def set_theme(self, theme: Theme) -> None:
        self.text.set_theme(theme)
        self.legend.set_theme(theme)

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        self.refresh()

    def refresh(self) -> None:
        preview = self._preview
        is_rendered = preview.is_rendered
        self.title.setText(
            tr("First rows, as the model sees them")
            if is_rendered
            else tr("First rows, as in the file")
        )
        if self.isVisible():
            self.text.show_rows(preview.rows)
        self.legend.setVisible(is_rendered)
        self.text.setPlaceholderText(READING if preview.looked is None else "")
        say(self.problem, localized(preview.failure))
