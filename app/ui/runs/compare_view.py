"""Compares runs: overlaid curves, and a table of the settings that differ."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QGridLayout, QPushButton, QSizePolicy, QVBoxLayout, QWidget

from app.core.text.translation import decimal, tr
from app.core.wording.results import Answers, set_title
from app.ui.look import formatting
from app.ui.look.plain_text import set_tip
from app.ui.look.theme import LIGHT, Theme
from app.ui.run.run_description import differing_settings
from app.ui.runs.compared_losses import AXES, Compared, distinct_names
from app.ui.tables.row_table import ROW_PX, make_table
from app.ui.tables.table_model import Column, TableModel
from app.ui.widgets.basic_widgets import button, label
from app.ui.widgets.calm_inputs import CalmComboBox
from app.ui.widgets.layouts import AROUND_SCROLLING_PX, beside_a_bar, grows, lay_out, scrolling
from app.ui.widgets.wrapping_row import WrappingRow

if TYPE_CHECKING:
    from app.library.reading.run_summary import RunSummary
    from app.ui.plots.plot_card import Card
    from app.ui.plots.plot_card_controls import Legend
    from app.ui.runs.compare_plot import ComparePlot


_AXIS_NAMES = {"step": tr("By step"), "tokens": tr("By tokens"), "time": tr("By time")}
_MAX_ROWS, _MAX_SHARE = 6, 0.3
_PLACES = ((0, 1), (1, 0), (0, 0), (1, 1))
"""The row and column of each plot. The change from the base comes first, as on a run's page."""
_CARD_PX, _AROUND_READOUT_PX, _COMPACT_BELOW_PX = 130, 70, 720


class CompareView(QWidget):
    back_requested = Signal()
    plots_export_requested = Signal(object)
    """Argument: the widget that contains the plots."""
    data_export_requested = Signal(object)
    """Argument: the folders of the runs."""

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("page")
        self._theme = LIGHT
        self.runs: tuple[Compared, ...] = ()
        self.plots: tuple[ComparePlot, ...] = ()
        self._cards: tuple[Card, ...] = ()
        self._legend: Legend | None = None
        self._make_controls()
        self.differences = DifferencesModel()
        self.table = make_table(self.differences, tr("Settings that differ"), ())
        self.table.horizontalHeader().setStretchLastSection(True)
        self.table.horizontalScrollBar().rangeChanged.connect(lambda *_: self._fit_table())
        self._same = label("", "secondary")
        self.picture = QWidget()
        self.picture.setObjectName("page")
        self._picture_layout = QVBoxLayout(self.picture)
        self._picture_layout.setContentsMargins(0, 0, 0, 0)
        controls = (self.axis, self.log, self.clip, self.export_plots, self.export_data)
        head = WrappingRow((self.back, label(tr("Compare"), "title")), controls)
        below = beside_a_bar(self._same, self.table)
        parts = (beside_a_bar(head), grows(scrolling(self.picture)), below)
        lay_out(self, *parts, spacing=12, margins_px=AROUND_SCROLLING_PX)

    def _make_controls(self) -> None:
        self.back = button(tr("‹ Runs"), self.back_requested.emit, "link")
        self.back.setAccessibleName(tr("Back to all runs"))
        self.axis = CalmComboBox(
            {name: _AXIS_NAMES[name] for name in AXES}, tr("Axis of the curves")
        )
        self.axis.currentIndexChanged.connect(self._set_up_plots)
        self.log = _switch(tr("Log scale"), tr("Values on a logarithmic scale"))
        self.clip = _switch(tr("Clip"), tr("Hide outliers"))
        self.clip.setChecked(True)
        for switch in (self.log, self.clip):
            switch.toggled.connect(self._set_up_plots)
        self.export_plots = button(
            tr("Export Plots…"), lambda: self.plots_export_requested.emit(self.picture)
        )
        self.export_data = button(tr("Export Data…"), self._ask_data)

    def show_runs(self, runs: tuple[Compared, ...]) -> None:
        self.runs = runs
        if not self.plots:
            self._make_plots()
        names = distinct_names([run.details.summary.name for run in runs])
        curves = zip(*(run.curves for run in runs), strict=True)
        for plot, frame, shown in zip(self.plots, self._cards, curves, strict=True):
            plot.show_curves(shown, names)
            frame.show_empty(not plot.has_points)
            lines = (1 + len(runs)) * plot.readout.fontMetrics().height()
            frame.setMinimumHeight(max(_CARD_PX, _AROUND_READOUT_PX + lines))
        self._show_legend(names)
        self._show_differences(names)
        self._set_up_plots()

    def set_theme(self, theme: Theme) -> None:
        self._theme = theme
        for plot, frame in zip(self.plots, self._cards, strict=True):
            plot.set_theme(theme)
            frame.set_theme(theme)
        if self._legend is not None:
            self._legend.set_colors(theme.secondary_text, theme.runs)

    def _make_plots(self) -> None:
        from app.ui.plots.forgetting_plot import BRIEF_MEASURE
        from app.ui.plots.plot_card import Card
        from app.ui.runs.compare_plot import ComparePlot

        self.plots = (
            ComparePlot(self._theme, has_dots=False),
            ComparePlot(self._theme, has_dots=True),
            ComparePlot(self._theme, has_dots=True, unit=tr("nats per token")),
            ComparePlot(self._theme, has_dots=False, unit=tr("L2 norm")),
        )
        titles = (
            (tr("Training loss"), tr("Smoothed; faint: each step")),
            (tr("Validation loss"), tr("On the validation rows")),
            (tr("Change from base"), BRIEF_MEASURE),
            (tr("Drift"), tr("Distance from the start")),
        )
        self._cards = tuple(
            Card(title, words, plot)
            for plot, (title, words) in zip(self.plots, titles, strict=True)
        )
        self._grid = grid = QGridLayout()
        for column in (0, 1):
            grid.setColumnStretch(column, 1)
        for plot, frame, place in zip(self.plots, self._cards, _PLACES, strict=True):
            frame.set_theme(self._theme)
            frame.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Ignored)
            frame.empty.setText(tr("Not measured in these runs."))
            grid.addWidget(frame, *place)
            plot.pointed.connect(self._point)
            plot.selected.connect(self._select)
        self._picture_layout.addLayout(grid, 1)
        self._fit_cards()

    def _show_legend(self, names: list[str]) -> None:
        from app.ui.plots.plot_card_controls import SwitchLegend
        from app.ui.plots.style import MARKS

        if self._legend is not None:
            self._legend.deleteLater()
        entries = ((name, MARKS[run % len(MARKS)]) for run, name in enumerate(names))
        self._legend = SwitchLegend(tuple(entries), what=tr("Runs"))
        self._legend.hidden_changed.connect(self._hide)
        self._legend.set_colors(self._theme.secondary_text, self._theme.runs)
        self._picture_layout.insertWidget(0, self._legend)

    def _show_differences(self, names: list[str]) -> None:
        configs = [run.details.config for run in self.runs]
        known = [config for config in configs if config is not None]
        rows = differing_settings(known) if len(known) == len(configs) else []
        results = [run.details.summary for run in self.runs]
        best = (tr("Best validation loss"), [formatting.loss(r.best_val_loss) for r in results])
        asked = [run.details.answers for run in self.runs]
        self.differences.show_differences(
            names, [*_answer_rows(asked), best, *_divergence_rows(results), *rows]
        )
        words = "" if rows else tr("These runs have the same settings.")
        if len(known) < len(configs):
            words = tr("The settings of one of these runs can't be read.")
        self._same.setText(words)
        self._same.setVisible(bool(words))
        self._fit_table()

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._fit_table()
        self._fit_cards()

    def _fit_cards(self) -> None:
        """Make the cards compact in a low window, so that all plots stay visible."""
        is_compact = self.height() < _COMPACT_BELOW_PX
        for frame in self._cards:
            frame.set_compact(is_compact)
        if self._cards:
            self._grid.setSpacing(8 if is_compact else 12)

    def _fit_table(self) -> None:
        """Set the table's height to its rows, but leave most of the page to the plots."""
        room = int(_MAX_SHARE * self.height()) // ROW_PX - 1
        shown = min(self.differences.rowCount(), _MAX_ROWS, max(1, room))
        bar = self.table.horizontalScrollBar()
        beside = bar.sizeHint().height() if bar.maximum() else 0
        self.table.setFixedHeight((shown + 1) * ROW_PX + 4 + beside)

    def _set_up_plots(self) -> None:
        for plot in self.plots:
            if plot.axis != self.axis.currentData():
                plot.stretch = None
            plot.axis = self.axis.currentData()
            plot.is_log, plot.is_clipped = self.log.isChecked(), self.clip.isChecked()
            plot.point_at(None)
            plot.redraw()

    def _point(self, x: float | None) -> None:
        for plot in self.plots:
            plot.point_at(x)

    def _hide(self, runs: frozenset[int]) -> None:
        for plot in self.plots:
            plot.hidden = runs
            plot.redraw()

    def _select(self, stretch: tuple[float, float] | None) -> None:
        for plot in self.plots:
            plot.stretch = stretch
            plot.redraw()

    def _ask_data(self) -> None:
        self.data_export_requested.emit([run.details.summary.run_dir for run in self.runs])


def _answer_rows(runs: list[list[Answers]]) -> list[tuple[str, list[str]]]:
    """A row for each question set: the number of correct answers of each run, before and after."""
    by_name = [{one.name: one for one in answers} for answers in runs]
    names = dict.fromkeys(one.name for answers in runs for one in answers)
    return [
        (set_title(name), [_correct_text(found.get(name)) for found in by_name]) for name in names
    ]


def _correct_text(answers: Answers | None) -> str:
    if answers is None:
        return "–"
    after = tr("{after:,} of {total:,}", after=answers.after, total=answers.total)
    return after if answers.before is None else f"{decimal(f'{answers.before:,}')} → {after}"


def _divergence_rows(runs: "list[RunSummary]") -> list[tuple[str, list[str]]]:
    if all(run.base_kl is None for run in runs):
        return []
    return [(tr("Change from base"), [formatting.loss(run.base_kl) for run in runs])]


def _switch(text: str, tip: str) -> QPushButton:
    made = QPushButton(text)
    made.setObjectName("tab")
    made.setCheckable(True)
    made.setAutoDefault(False)
    set_tip(made, tip)
    made.setFocusPolicy(Qt.FocusPolicy.TabFocus)
    return made


Difference = tuple[str, Sequence[str]]
"""A setting's label, and its value in each run."""


class DifferencesModel(TableModel[Difference]):
    def __init__(self) -> None:
        super().__init__((), lambda _: "")

    def show_differences(self, names: Sequence[str], rows: Sequence[Difference]) -> None:
        """`names`: the names of the runs, for the table's header."""
        labels: Column[Difference] = Column(tr("Differs in"), lambda row: row[0])
        self.beginResetModel()
        self.columns = (labels, *(_column(name, at) for at, name in enumerate(names)))
        self._rows = list(rows)
        self.endResetModel()


def _column(name: str, at: int) -> Column[Difference]:
    return Column(name, lambda row: row[1][at])
