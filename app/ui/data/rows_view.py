"""Pages through the dataset's rows as the model sees them."""

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QWidget

from app.core.text.sentences import localized
from app.core.text.translation import tr, trn
from app.ui.data.dataset_list import DatasetList
from app.ui.data.preview import Preview
from app.ui.data.rendered_rows import Legend, RowsText
from app.ui.look.plain_text import ElidedLabel
from app.ui.look.theme import Theme
from app.ui.widgets.basic_widgets import button, label, message, say
from app.ui.widgets.calm_inputs import CalmComboBox, CalmSpinBox
from app.ui.widgets.layouts import GRID_PX, grows, lay_out, row

_MAX_ROWS = 2**31 - 1
ROWS_A_PAGE = {str(n): trn("{n:,} row", "{n:,} rows", n) for n in (1, 5, 20)}
READING = tr("The first rows are being read…")


class RowsView(QWidget):
    columns_requested = Signal()

    def __init__(self, preview: Preview, datasets: DatasetList) -> None:
        super().__init__()
        self._preview, self._datasets = preview, datasets
        self.text = RowsText(tr("Rows of the dataset"), READING)
        self.legend = Legend()
        self.legend.setWordWrap(False)  # the note beside it is elided instead
        self.note = ElidedLabel("", "caption")
        self.problem = message("problem")
        self.map = button(tr("Map Columns"), self.columns_requested.emit)
        self.first = button(tr("First"), lambda: preview.go_to(0))
        self.previous = button(tr("Previous"), lambda: preview.turn(-1))
        self.next = button(tr("Next"), lambda: preview.turn(1))
        self.number = CalmSpinBox(1, 1)
        self.number.setAccessibleName(tr("Go to row"))
        self.number.setGroupSeparatorShown(True)
        self.number.setKeyboardTracking(False)
        self.number.setFixedWidth(108)
        self.number.valueChanged.connect(lambda number: preview.go_to(number - 1))
        self.total = label("", "secondary")
        self.a_page = CalmComboBox(ROWS_A_PAGE, tr("Rows per page"))
        self.a_page.choose("5")
        self.a_page.activated.connect(
            lambda _: preview.show_rows_a_page(int(self.a_page.currentData()))
        )
        self.file = CalmComboBox({"0": tr("Training"), "1": tr("Validation")}, tr("File"))
        self.file.activated.connect(lambda _: preview.show_file(int(self.file.currentData())))
        self._lay_out()
        preview.changed.connect(self.refresh)
        self.refresh()

    def _lay_out(self) -> None:
        turning = row(
            self.first, self.previous, self.next, GRID_PX, label(tr("Row")), self.number,
            self.total, None, self.file, self.a_page,
        )  # fmt: skip
        below = row(self.legend, GRID_PX, self.note)
        lay_out(self, turning, self.problem, row(self.map, None), grows(self.text), below)

    def set_theme(self, theme: Theme) -> None:
        self.text.set_theme(theme)
        self.legend.set_theme(theme)

    def refresh(self) -> None:
        preview = self._preview
        self.text.show_rows(preview.rows)
        last = preview.first + len(preview.rows)
        total = _MAX_ROWS if preview.total is None else preview.total
        self.first.setEnabled(preview.first > 0)
        self.previous.setEnabled(preview.first > 0)
        self.next.setEnabled(last < total and bool(preview.rows))
        self.number.blockSignals(True)
        self.number.setRange(1, max(1, min(total, _MAX_ROWS)))
        self.number.setValue(preview.first + 1)
        self.number.blockSignals(False)
        self.number.setEnabled(total > 1)
        self.total.setText(self._total())
        self.file.setVisible(preview.files > 1)
        self.file.choose(str(preview.file))
        self.legend.setVisible(preview.is_rendered)
        self.note.setText(self._note())
        say(self.problem, localized(preview.failure) or self._problem())
        self.text.setPlaceholderText(READING if preview.looked is None else "")
        self.map.setVisible(self._can_be_mapped())

    def _can_be_mapped(self) -> bool:
        """Whether the first rows are unusable because their columns' names are unknown."""
        looked, shown = self._preview.looked, self._datasets.shown
        facts = shown.facts if shown else None
        if looked is None or looked.rows or not looked.columns or facts is None:
            return False
        return "unknown shape" in facts.counts

    def _problem(self) -> str:
        looked = self._preview.looked
        problem = looked.problem if looked is not None and not looked.rows else ""
        return f"{localized(problem)}." if problem else ""

    def _total(self) -> str:
        total, reached = self._preview.total, self._preview.reached
        count = "" if total is None else tr("of {total:,}", total=total)
        reading = "" if reached is None else tr("reading, at row {row:,}", row=reached)
        return " · ".join(filter(None, (count, reading)))

    def _note(self) -> str:
        preview = self._preview
        if not preview.rows:
            return ""
        if not preview.is_rendered:
            if all(one.problem for one in preview.rows):
                return tr("As in the file. The model can use none of these.")
            if preview.can_be_rendered:
                return tr("As in the file. The model's view follows.")
            return tr("As in the file.")
        return tr("From the file; not tokenized yet.") if preview.is_from_file else ""
