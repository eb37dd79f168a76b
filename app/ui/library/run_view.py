"""A run that is opened: its plots, checkpoints, settings, log and notes. Asks, does nothing."""

from typing import TYPE_CHECKING

from PySide6.QtCore import Signal
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import (
    QButtonGroup,
    QMenu,
    QPlainTextEdit,
    QPushButton,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from app.core.repeating import as_plain_adamw
from app.ui import phrases
from app.ui.desktop import REVEAL_LABEL
from app.ui.library.checkpoints_view import CheckpointsView
from app.ui.library.facts import data_facts, setting_facts
from app.ui.library.facts_view import FactsView
from app.ui.library.run_reading import ReadRun
from app.ui.theme import LIGHT, Theme
from app.ui.widgets.building import (
    GRID_PX,
    ElidedLabel,
    button,
    label,
    message,
    restyle,
    row,
    say,
)
from app.ui.widgets.fields import TextField

if TYPE_CHECKING:
    from app.library.run_summary import RunSummary
    from app.ui.plots.run_plots import RunPlots

PARTS = ("Plots", "Checkpoints", "Settings", "Data", "Log", "Notes")
MOST_NOTES = 20_000
MOST_NAME = 200
NAME_ROOM_PX, LEAST_NAME_PX = 24, 80


class RunView(QWidget):
    back_requested = Signal()
    label_changed = Signal(object, str, str)
    """Path of the run's folder, its new name and notes."""
    resume_requested = Signal(object)
    """RunSummary"""
    repeat_requested = Signal(object)
    """RunDetails"""
    plain_repeat_requested = Signal(object)
    """RunDetails: to be repeated as the control arm."""
    queue_requested = Signal(object)
    """TrainingConfig: to be trained when its turn comes."""
    settings_export_requested = Signal(object)
    """RunDetails"""
    data_export_requested = Signal(object)
    """RunDetails"""
    plots_export_requested = Signal(object)
    """RunDetails"""
    reveal_requested = Signal(object)
    """Path"""
    delete_requested = Signal(object)
    """A tuple of RunSummary."""

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("page")
        self.run: ReadRun | None = None
        self._theme = LIGHT
        self.plots: RunPlots | None = None
        self._make_head()
        self._make_parts()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(3 * GRID_PX, 2 * GRID_PX, 3 * GRID_PX, 2 * GRID_PX)
        layout.setSpacing(12)
        layout.addLayout(row(self.back, self.name, self.pill, None, self.resume, self.repeat,
                             self.reveal, self.delete))  # fmt: skip
        layout.addWidget(self.subtitle)
        layout.addWidget(self.problem)
        layout.addLayout(row(*(self._tab(index) for index in range(len(PARTS))), None, spacing=4))
        layout.addWidget(self.parts, 1)

    # -- how it is built ---------------------------------------------------------------------
    def _make_head(self) -> None:
        self.back = button("‹ Library", self._leave, "link")
        self.back.setAccessibleName("Back to the library")
        self.name = TextField()
        self.name.setObjectName("title_field")
        self.name.setAccessibleName("Name of the run")
        self.name.setMaxLength(MOST_NAME)
        self.name.textChanged.connect(self._fit_name)
        self.name.editingFinished.connect(self.keep_label)
        self.pill = label("", "pill")
        self.subtitle = ElidedLabel("", "secondary")
        self.problem = message("problem")
        self.resume = button("Resume", lambda: self._ask(self.resume_requested), "primary")
        self.repeat = QPushButton("Repeat")
        self.repeat.setObjectName("menu")
        self.repeat.setAutoDefault(False)
        menu = QMenu(self.repeat)
        menu.addAction("Repeat These Settings…", lambda: self._ask_all(self.repeat_requested))
        menu.addAction(
            "Repeat with Plain AdamW…", lambda: self._ask_all(self.plain_repeat_requested)
        )
        menu.addAction("Add to Queue", lambda: self._ask_queue(is_plain=False))
        menu.addAction("Add to Queue with Plain AdamW", lambda: self._ask_queue(is_plain=True))
        menu.addSeparator()
        menu.addAction("Export Settings…", lambda: self._ask_all(self.settings_export_requested))
        menu.addAction("Export Data as CSV…", lambda: self._ask_all(self.data_export_requested))
        menu.addAction("Export Plots…", lambda: self._ask_all(self.plots_export_requested))
        self.repeat.setMenu(menu)
        self.reveal = button(REVEAL_LABEL, self._ask_reveal)
        self.delete = button("Move to Trash", self._ask_delete)

    def _make_parts(self) -> None:
        self.plots_place = QWidget()
        self._plots_layout = QVBoxLayout(self.plots_place)
        self._plots_layout.setContentsMargins(0, 0, 0, 0)
        self.checkpoints = CheckpointsView()
        self.settings = FactsView("Settings of the run")
        self.data = FactsView("Data of the run")
        self.log = _text("Log of the run", is_editable=False)
        self.notes = _text("Notes", is_editable=True)
        self.notes.setPlaceholderText("What you want to remember about this run")
        self.parts = QStackedWidget()
        for part in (self.plots_place, self.checkpoints, self.settings, self.data, self.log,
                     self.notes):  # fmt: skip
            self.parts.addWidget(part)
        self.tabs = QButtonGroup(self)
        self.tabs.idClicked.connect(self.parts.setCurrentIndex)
        self.tabs.idClicked.connect(lambda _: self.keep_label())

    def _tab(self, index: int) -> QPushButton:
        made = QPushButton(PARTS[index])
        made.setObjectName("tab")
        made.setCheckable(True)
        made.setAutoDefault(False)
        made.setChecked(index == 0)
        self.tabs.addButton(made, index)
        return made

    # -- what is shown -----------------------------------------------------------------------
    def show_run(self, run: ReadRun) -> None:
        """Show another run, or the same one as it stands now."""
        is_same = self.run is not None and self.run.details.summary.run_dir == run_dir_of(run)
        self.run = run
        details, summary = run.details, run.details.summary
        if not (is_same and self.name.hasFocus()):
            self.name.setText(summary.name)
            self.name.setCursorPosition(0)
        if not (is_same and self.notes.hasFocus()):
            self.notes.setPlainText(summary.notes)
        _, tone = phrases.OUTCOMES.get(summary.outcome, ("", ""))
        self.pill.setText(phrases.outcome(summary.outcome))
        restyle(self.pill, "tone", tone)
        self.subtitle.setText(_sentence(summary, details.message))
        say(self.problem, summary.problem or details.config_problem)
        self._allow(summary, details.config is not None)
        self.checkpoints.show_run(details)
        self.settings.show_facts(setting_facts(details))
        self.data.show_facts({"Data and results": data_facts(details)})
        self.log.setPlainText(details.log)
        self._show_plots(run)
        if not is_same:
            self.show_part(0)

    def show_part(self, index: int) -> None:
        self.tabs.button(index).setChecked(True)
        self.parts.setCurrentIndex(index)

    def set_theme(self, theme: Theme) -> None:
        self._theme = theme
        self.checkpoints.set_theme(theme)
        if self.plots is not None:
            self.plots.set_theme(theme)

    def _allow(self, summary: "RunSummary", is_understood: bool) -> None:
        is_ours = summary.outcome in ("running", "live", "paused", "stopping")
        self.resume.setVisible(summary.may_go_on)
        self.repeat.setEnabled(is_understood)
        self._fit_name()
        self.delete.setEnabled(not is_ours)
        self.delete.setToolTip("A run in progress can't be deleted." if is_ours else "")

    def _show_plots(self, run: ReadRun) -> None:
        if self.plots is None:
            from app.ui.plots.run_plots import RunPlots

            self.plots = RunPlots(theme=self._theme)
            for part in self.plots.findChildren(QWidget):
                part.setAcceptDrops(False)
            for frame in self.plots.cards:
                frame.empty.setText("No step was recorded")
            self._plots_layout.addWidget(self.plots)
        self.plots.show_series(run.series)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._fit_name()

    def _fit_name(self) -> None:
        """The name's field is as wide as the name, so that the state stands right behind it."""
        wanted = self.name.fontMetrics().horizontalAdvance(self.name.text()) + NAME_ROOM_PX
        others = (self.back, self.pill, self.resume, self.repeat, self.reveal, self.delete)
        taken = sum(one.sizeHint().width() + GRID_PX for one in others if not one.isHidden())
        room = self.width() - taken - 8 * GRID_PX
        self.name.setFixedWidth(max(LEAST_NAME_PX, min(wanted, room)))

    # -- what is asked for -------------------------------------------------------------------
    def _leave(self) -> None:
        self.keep_label()
        self.back_requested.emit()

    def keep_label(self) -> None:
        """The name and notes as they are written now, if they are new."""
        if self.run is None:
            return
        summary = self.run.details.summary
        name, notes = self.name.text().strip(), self.notes.toPlainText()[:MOST_NOTES]
        if not name:
            self.name.setText(summary.name)
            name = summary.name
        if (name, notes) != (summary.name, summary.notes):
            self.label_changed.emit(summary.run_dir, name, notes)

    def _ask(self, signal: object) -> None:
        if self.run is not None:
            signal.emit(self.run.details.summary)  # type: ignore[attr-defined]

    def _ask_all(self, signal: object) -> None:
        if self.run is not None:
            signal.emit(self.run.details)  # type: ignore[attr-defined]

    def _ask_queue(self, *, is_plain: bool) -> None:
        if self.run is not None and (config := self.run.details.config) is not None:
            name = self.run.details.summary.name
            self.queue_requested.emit(as_plain_adamw(config, name) if is_plain else config)

    def _ask_reveal(self) -> None:
        if self.run is not None:
            self.reveal_requested.emit(self.run.details.summary.run_dir)

    def _ask_delete(self) -> None:
        if self.run is not None:
            self.delete_requested.emit((self.run.details.summary,))


def run_dir_of(run: ReadRun) -> object:
    return run.details.summary.run_dir


def _sentence(summary: "RunSummary", ending: str) -> str:
    done = f"{summary.steps:,} of {summary.planned_steps:,} steps"
    parts = [done if summary.planned_steps else "", phrases.size(summary.size_bytes)]
    if summary.outcome == "interrupted":
        ending = interruption(summary)
    return " · ".join(part for part in (*parts, ending) if part)


def interruption(summary: "RunSummary") -> str:
    """What happened to a run that was cut off, in plain words."""
    if summary.adapter_dir is None:
        return "It was cut off before its first checkpoint, so it can't go on."
    kept = summary.adapter_dir.name.removeprefix("step-").lstrip("0") or "0"
    return f"It was cut off. What it had learned up to step {kept} is kept; it can go on there."


def _text(name: str, *, is_editable: bool) -> QPlainTextEdit:
    made = QPlainTextEdit()
    made.setObjectName("" if is_editable else "log")
    made.setReadOnly(not is_editable)
    made.setAcceptDrops(False)
    made.setAccessibleName(name)
    made.setTabChangesFocus(True)
    return made
