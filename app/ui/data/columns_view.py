"""Maps columns to roles, with a preview of the first rows before the whole file is read again."""

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QGridLayout, QWidget

from app.core.column_mapping import ROLES, ColumnMapping, parse_columns
from app.core.errors import InputError
from app.core.text.sentences import localized
from app.core.text.translation import tr
from app.ui.data.dataset_list import DatasetList
from app.ui.data.dataset_text import location_text
from app.ui.data.preview import Preview
from app.ui.data.rendered_rows import RowsText
from app.ui.look.plain_text import ElidedLabel
from app.ui.look.theme import Theme
from app.ui.state.app_state import AppState
from app.ui.widgets.basic_widgets import button, enable, label, message, say
from app.ui.widgets.calm_inputs import CalmComboBox
from app.ui.widgets.layouts import (
    GRID_PX,
    beside_a_bar,
    clear,
    grows,
    lay_out,
    order_as_read,
    row,
    scrolling,
)
from app.workers.background_job import JobEnded
from app.workers.data_process import DataProcess
from app.workers.jobs.datasets import DatasetRequest
from app.workers.jobs.preview import HeadRows, LoadHeadRows

if TYPE_CHECKING:
    from app.data.inspection.row_previews import ColumnSample

TRIED_ROWS = 3
HOW = tr(
    "Choose roles for the columns: prompt and completion, or messages, or text alone. "
    "The mapping is remembered for this file."
)
RECOGNIZED = tr("Nestling recognized these columns. Choose roles to override.")
UNUSED, BY_NAME = tr("Not used"), tr("Automatic")
_NAME_PX, _ROLE_PX, _ROW_PX = 184, 124, 30
_MIN_ROWS = 3
"""This many rows stay visible in a low window too."""


class ColumnsView(QWidget):
    columns_chosen = Signal(object)
    """Argument: a ColumnMapping, or None to use the file's own column names."""

    def __init__(
        self, state: AppState, preview: Preview, process: DataProcess, datasets: DatasetList
    ) -> None:
        super().__init__()
        self._state, self._preview, self._process = state, preview, process
        self._datasets = datasets
        self._shown: tuple[ColumnSample, ...] = ()
        self._shown_for: object = None
        self._job: int | None = None
        self.roles: dict[str, CalmComboBox] = {}
        self.how = label("", "secondary", wraps=True)
        self.problem = message("problem")
        self.tried = RowsText(tr("Preview"), tr("Choose roles to see a preview."))
        self.use = button(tr("Use This Mapping"), self._use, "primary")
        self.reset = button(tr("Reset"), self._reset)
        self._lay_out()
        preview.changed.connect(self.refresh)
        datasets.changed.connect(self._show_instructions)
        self.refresh()

    def _lay_out(self) -> None:
        self._list = QWidget()
        self._list.setObjectName("column")
        self._grid = QGridLayout(self._list)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setHorizontalSpacing(2 * GRID_PX)
        self._grid.setVerticalSpacing(GRID_PX)
        self._grid.setColumnMinimumWidth(0, _NAME_PX)
        self._grid.setColumnStretch(1, 1)
        self._area = scrolling(self._list)
        preview = beside_a_bar(
            label(tr("Preview"), "heading"),
            self.problem,
            grows(self.tried),
            row(None, self.reset, self.use),
        )
        preview.setSpacing(GRID_PX)
        lay_out(self, beside_a_bar(self.how), grows(self._area, 2), grows(preview, 3))

    def set_theme(self, theme: Theme) -> None:
        self.tried.set_theme(theme)

    def refresh(self) -> None:
        """Show the columns if the file or its mapping has changed."""
        looked = self._preview.looked
        if looked is None:
            return
        self._show_instructions()
        key = (looked.reading.data, looked.mapping, looked.columns)
        if key != self._shown_for:
            self._shown_for = key
            self._show_columns(looked.columns, _parsed(looked.mapping))

    def _show_instructions(self) -> None:
        """Explain what to do. If the columns aren't recognized, give the first bad row's reason."""
        looked, shown = self._preview.looked, self._datasets.shown
        found = shown.facts.problems if shown is not None and shown.facts is not None else ()
        unknown = next((issue for issue in found if issue.kind == "unknown shape"), None)
        if looked is not None and looked.rows and not looked.mapping:
            self.how.setText(RECOGNIZED)
        elif unknown is not None and looked is not None and not looked.mapping:
            place, reason = location_text(unknown.place), localized(unknown.reason)
            self.how.setText(
                tr(
                    "These columns aren't recognized: {place} {reason}. Choose their roles.",
                    place=place,
                    reason=reason,
                )
            )
        else:
            self.how.setText(HOW)

    def _show_columns(
        self, columns: "tuple[ColumnSample, ...]", mapping: ColumnMapping | None
    ) -> None:
        clear(self._grid)
        self._shown, self.roles = columns, {}
        named = {name: role for role, name in (mapping.by_role() if mapping else {}).items()}
        for index, column in enumerate(columns):
            self._add_row(index, column, named.get(column.name, ""))
        order_as_read(self)
        self._area.setMaximumHeight(max(1, len(columns)) * (_ROW_PX + GRID_PX))
        self._area.setMinimumHeight(min(_MIN_ROWS, len(columns)) * (_ROW_PX + GRID_PX))
        self._try()

    def _add_row(self, index: int, column: "ColumnSample", role: str) -> None:
        roles = {"": UNUSED} | {role: role.capitalize() for role in ROLES}
        choice = CalmComboBox(roles, tr("Role of the column {column}", column=column.name))
        choice.setFixedWidth(_ROLE_PX)
        choice.choose(role)
        choice.activated.connect(lambda _: self._try())
        name = ElidedLabel(column.name, "strong")
        sample = ElidedLabel("  ·  ".join(column.values) or tr("always empty"), "secondary")
        for place, part in enumerate((name, sample, choice)):
            self._grid.addWidget(part, index, place, Qt.AlignmentFlag.AlignVCenter)
        self.roles[column.name] = choice

    # -- preview ------------------------------------------------------------------------------
    def chosen(self) -> ColumnMapping | None:
        """The mapping that is currently set; None if no column has a role. Raises InputError if two
        columns have the same role.
        """
        named: dict[str, str] = {}
        for name, choice in self.roles.items():
            if role := choice.currentData():
                if role in named:
                    raise InputError(tr("Two columns are mapped to {role}.", role=role))
                named[role] = name
        return ColumnMapping(**named) if named else None

    def _try(self) -> None:
        self._allow()
        looked = self._preview.looked
        try:
            columns = self.chosen()
        except InputError as error:
            self._name_unset(UNUSED)
            say(self.problem, localized(error.message))
            self.tried.show_rows(())
            return
        say(self.problem, "")
        if looked is None:
            return
        is_named = columns is None and bool(looked.rows) and not looked.mapping
        self._name_unset(BY_NAME if is_named else UNUSED)
        if self._job is not None:
            self._process.cancel(self._job)
        reading = DatasetRequest(looked.reading.data, looked.reading.valid, str(columns or ""))
        number = self._process.run(
            LoadHeadRows(reading, TRIED_ROWS), self._show, lambda end: self._end(number, end)
        )
        self._job = number

    def _name_unset(self, text: str) -> None:
        """Set the label of columns without a role: "Automatic" if the columns' names decide."""
        for choice in self.roles.values():
            choice.setItemText(0, text)

    def _show(self, looked: HeadRows) -> None:
        self.tried.show_rows(looked.rows)
        problem = f"{localized(looked.problem)}." if looked.problem else ""
        say(self.problem, problem if looked.mapping else "")

    def _end(self, number: int, ended: JobEnded) -> None:
        if number == self._job:
            self._job = None
            if ended.ending == "failed":
                say(self.problem, localized(str(ended.failure)))

    # -- applying -----------------------------------------------------------------------------
    def _allow(self) -> None:
        try:
            columns, is_right = self.chosen(), True
        except InputError:
            columns, is_right = None, False
        shown = self._datasets.shown
        in_use = (shown.reading.mapping or "") if shown else ""
        enable(self.use, is_right and columns is not None and str(columns) != in_use)
        enable(self.reset, bool(columns or not is_right or in_use))

    def _use(self) -> None:
        if (columns := self.chosen()) is not None:
            self.columns_chosen.emit(columns)

    def _reset(self) -> None:
        for choice in self.roles.values():
            choice.choose("")
        shown = self._datasets.shown
        if shown is not None and shown.reading.mapping:
            self.columns_chosen.emit(None)
        self._try()


def _parsed(mapping: str) -> ColumnMapping | None:
    try:
        return parse_columns(mapping)
    except InputError:
        return None
