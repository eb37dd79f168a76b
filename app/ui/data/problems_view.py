"""Lists the problems of the shown dataset with location and reason, and offers actions on them."""

from collections import Counter
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QCheckBox, QStackedWidget, QWidget

from app.core.config.training_config import config_field
from app.core.text.sanitize import single_line
from app.core.text.translation import tr
from app.ui.data.dataset_list import DatasetList
from app.ui.data.problem_row import ProblemRow
from app.ui.data.statistics_loader import StatisticsLoader
from app.ui.look.plain_text import ElidedLabel, set_tip
from app.ui.look.theme import Theme
from app.ui.state.app_state import AppState
from app.ui.system.file_manager import REVEAL_LABEL
from app.ui.tables.problems_model import REASON_COLUMN, ProblemsModel, kind_words, reason_text
from app.ui.tables.row_table import Verb, copy_rows, make_table, wrap_rows
from app.ui.widgets.basic_widgets import button, enable, label
from app.ui.widgets.calm_inputs import CalmComboBox
from app.ui.widgets.layouts import GRID_PX, column, lay_out, row
from app.workers.data_process import DataProcess
from app.workers.jobs.preview import LoadLine

if TYPE_CHECKING:
    from app.data.inspection.inspection import DatasetFacts
    from app.data.row_values import RowIssue

_MAX_LINE_CHARACTERS = 2000


class ProblemsView(QWidget):
    reveal_requested = Signal(object)
    """Argument: the path of a file."""
    file_requested = Signal(object)
    """Argument: the path of a file to edit in a text editor."""
    reread_requested = Signal()
    count_changed = Signal()

    def __init__(
        self,
        state: AppState,
        process: DataProcess,
        statistics: StatisticsLoader,
        datasets: DatasetList,
    ) -> None:
        super().__init__()
        self._process = process
        self._job: int | None = None
        self._state, self._statistics, self._datasets = state, statistics, datasets
        self._shown_for: object = None
        self.counts: dict[str, int] = {}
        """The number of problems and warnings of each kind, including those that aren't listed."""
        self.model = ProblemsModel()
        self.table = make_table(self.model, tr("Problems"), (REASON_COLUMN,))
        wrap_rows(self.table)
        self.kind = CalmComboBox({"": tr("All")}, tr("Kind of problem"))
        self.kind.setMinimumContentsLength(26)
        self.kind.currentIndexChanged.connect(self._filter)
        self.listed = label("", "secondary")
        self.line = ElidedLabel("", "secondary")
        """The original line of the selected problem."""
        self.line.setAccessibleName(tr("Original line"))
        self.copy = button(tr("Copy"), self.copy_chosen)
        self.reveal = button(REVEAL_LABEL, self._reveal)
        self.reread = button(tr("Reload File"), self.reread_requested.emit)
        set_tip(
            self.reread,
            tr("Click after you correct the file to check its rows again."),
            is_wrapped=True,
        )
        self.leave_out = QCheckBox(tr("Skip rows that can't be used"))
        set_tip(self.leave_out, tr(config_field("bad_rows").metadata["help"]), is_wrapped=True)
        self.leave_out.clicked.connect(self._choose)
        self._make_body()
        self.table.set_verbs(
            Verb(tr("Open"), self._open_chosen, lambda: len(self._rows()) == 1),
            Verb(REVEAL_LABEL, self._reveal, self._is_of_one_file),
        )
        self.opened: ProblemRow | None = None
        self.table.selectionModel().selectionChanged.connect(self._allow)
        self.table.selectionModel().selectionChanged.connect(self._read_line)
        datasets.changed.connect(self._follow)
        statistics.changed.connect(self.refresh)
        statistics.long_rows_changed.connect(self.refresh)
        self.refresh()

    def _make_body(self) -> None:
        full = QWidget()
        whole = column(spacing=GRID_PX + 4)
        whole.addLayout(row(self.kind, self.listed, None, self.copy, self.reveal))
        whole.addWidget(self.table, 1)
        whole.addWidget(self.line)  # never hidden, so the table keeps its height
        whole.addLayout(row(self.leave_out, None, self.reread))
        full.setLayout(whole)
        none = QWidget()
        title = label(tr("No Problems"), "title")
        self._none = label("", "secondary")
        for text in (title, self._none):
            text.setAlignment(Qt.AlignmentFlag.AlignCenter)
        centred = column(None, title, self._none, spacing=GRID_PX)
        centred.addStretch(2)
        none.setLayout(centred)
        self._body = QStackedWidget()
        self._body.addWidget(none)
        self._body.addWidget(full)
        lay_out(self, self._body)

    def set_theme(self, theme: Theme) -> None:
        self.model.set_theme(theme)

    @property
    def total(self) -> int:
        return sum(self.counts.values())

    def _follow(self) -> None:
        """Refresh if another dataset is shown, or its facts or the settings have changed."""
        deciding = (self._datasets.shown and self._datasets.shown.facts, self._state.config)
        if deciding != self._shown_for:
            self._shown_for = deciding
            self.refresh()

    def refresh(self) -> None:
        problems, self.counts = self._found()
        self.model.show(problems)
        self._body.setCurrentIndex(1 if self.counts else 0)
        self._none.setText(self._no_problems_text())
        self._show_kinds()
        self._show_choice()
        self._allow()
        self.count_changed.emit()

    def _found(self) -> "tuple[list[RowIssue], dict[str, int]]":
        facts, statistics = self._facts(), self._statistics.statistics
        if facts is None:
            return [], {}
        if statistics is not None:
            from app.data.inspection.inspection import with_names, without_guesses

            noted = with_names(statistics.noted, facts)
            facts = without_guesses(facts)
        counts: Counter[str] = Counter(facts.counts)
        found = [*facts.problems, *facts.warnings]
        if statistics is not None:
            limit = self._state.config_as_cut.max_seq_length
            both = (statistics.train, statistics.valid)
            found += [*statistics.refused, *noted, *self._statistics.long_rows]
            counts.update(statistics.noted_counts)
            stopping = statistics.stopping_counts
            counts["refused by the model"] = statistics.refused_count - stopping.total()
            counts.update(stopping)
            counts["too long"] = sum(curves.rows_longer_than(limit) for curves in both)
        found.sort(key=lambda problem: problem.is_warning)  # problems before warnings
        return found, {kind: count for kind, count in counts.items() if count}

    def _facts(self) -> "DatasetFacts | None":
        """The facts of the shown dataset; None while it is being read."""
        return self._datasets.shown.facts if self._datasets.shown else None

    def _show_kinds(self) -> None:
        chosen = self.kind.currentData()
        self.kind.blockSignals(True)
        self.kind.clear()
        self.kind.addItem(tr("All kinds ({n:,})", n=self.total), "")
        for kind, count in self.counts.items():
            shown = tr("{kind} ({n:,})", kind=kind_words(kind), n=count)
            self.kind.addItem(shown, kind)
        self.kind.setCurrentIndex(max(0, self.kind.findData(chosen)))
        self.kind.blockSignals(False)
        self._filter()

    def _filter(self) -> None:
        kind = self.kind.currentData() or ""
        self.model.show_kind(kind)
        counted = self.counts.get(kind, 0) if kind else self.total
        listed = self.model.rowCount()
        self.listed.setText(tr("the first {n:,} are listed", n=listed) if listed < counted else "")

    def _no_problems_text(self) -> str:
        shown = self._datasets.shown
        if shown is None or shown.facts is None:
            return tr("Still reading the rows.") if shown and shown.is_being_read else ""
        if self._statistics.statistics is None:
            return tr("All rows can be used, and there are no duplicates.")
        return tr("All rows can be used, there are no duplicates, and no row exceeds the limit.")

    # -- actions ------------------------------------------------------------------------------
    def _rows(self) -> list[int]:
        return sorted(index.row() for index in self.table.selectionModel().selectedRows())

    def _read_line(self) -> None:
        """Show the original line of the selected problem, if exactly one is selected and its file
        has lines.
        """
        self.line.setText("")
        if self._job is not None:
            self._process.cancel(self._job)
            self._job = None
        rows = self._rows()
        place = self.model.at(rows[0]).place if len(rows) == 1 else None
        if place is None or not place.line:
            return

        def show(text: str) -> None:
            if self._job == number:
                self.line.setText(single_line(text, _MAX_LINE_CHARACTERS))

        job = LoadLine(self.model.at(rows[0]).path, place.line)
        self._job = number = self._process.run(job, show, lambda _: None)

    def copy_chosen(self) -> None:
        """Copy the selected problems as text, or all visible ones if none is selected."""
        copy_rows(self.table)

    def _is_of_one_file(self) -> bool:
        return len({self.model.at(row).path for row in self._rows()}) == 1

    def _open_chosen(self) -> None:
        """Show the whole line in a dialog. If a row isn't a line of its file, show the file in its
        folder.
        """
        issue = self.model.at(self._rows()[0])
        if not issue.place.line or issue.place.row:
            self.reveal_requested.emit(issue.path)
            return
        self.opened = shown = ProblemRow(self.window(), issue, reason_text(issue))
        shown.open_requested.connect(self.file_requested)
        job = LoadLine(issue.path, issue.place.line)
        number = self._process.run(job, shown.show_line, shown.show_end)
        shown.finished.connect(lambda: self._note_closed(number))
        shown.open()

    def _note_closed(self, reading: int) -> None:
        self._process.cancel(reading)
        self.opened = None

    def _reveal(self) -> None:
        rows = self._rows()
        if rows:
            self.reveal_requested.emit(self.model.at(rows[0]).path)
        elif (facts := self._facts()) is not None:
            self.reveal_requested.emit(facts.path)

    def _choose(self, is_on: bool) -> None:
        self._state.change_config(bad_rows="skip" if is_on else "stop")

    def _show_choice(self) -> None:
        facts, statistics = self._facts(), self._statistics.statistics
        can_stop = facts is not None and facts.problem_count > 0
        can_stop = can_stop or (statistics is not None and statistics.stopping_counts.total() > 0)
        self.leave_out.setChecked(self._state.config.bad_rows == "skip")
        self.leave_out.setVisible(can_stop)

    def _allow(self) -> None:
        is_read = self._facts() is not None
        enable(self.reread, is_read)
        enable(self.copy, self.model.rowCount() > 0)
