"""A study's page: progress, what each arm learned and forgot, and heat maps of the accuracy by
task.
"""

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QMessageBox, QProgressBar, QScrollArea, QWidget

from app.core.text.translation import tr, trn
from app.core.wording.display_names import model_name
from app.ui.look import formatting
from app.ui.look.plain_text import ElidedLabel, dialog
from app.ui.look.theme import LIGHT, Theme
from app.ui.runs.study_heat_maps import ArmMap, StudyHeatMaps
from app.ui.state.live_run import LiveRun
from app.ui.state.study_control import StudyControl
from app.ui.tables.row_table import ROW_PX, make_table
from app.ui.tables.study_model import StudyModel
from app.ui.widgets.basic_widgets import CardFrame, allow, button, label, say
from app.ui.widgets.layouts import (
    AROUND_PAGE_PX,
    GRID_PX,
    column,
    fill,
    grows,
    lay_out,
    row,
    scroll_down,
)

if TYPE_CHECKING:
    from app.library.reading.study_results import ReadStudy

_SCALE = 1000
"""The number of steps of the progress bar."""
_MAX_UNASKED = 20
"""Up to this number of runs, Start needs no confirmation."""
_MAX_NAME_CHARACTERS = 32


class StudyView(QWidget):
    back_requested = Signal()
    report_export_requested = Signal(object)
    """Argument: ReadStudy."""
    picture_export_requested = Signal(object, str)
    """Arguments: the widget that contains the table and heat maps, and the study's name."""

    def __init__(self, control: StudyControl) -> None:
        super().__init__()
        self.setObjectName("page")
        self._control = control
        self._live: LiveRun | None = None
        self.question: QMessageBox | None = None
        self._theme = LIGHT
        self.table_model = StudyModel()
        self.maps = StudyHeatMaps()
        self._make_controls()
        self._make_content()
        exports = (self.export_report, self.export_picture)
        head = row(self.back, self.title, None, *exports, self.stop, self.start)
        facts = row(self.facts, self.folder, spacing=GRID_PX // 2)
        progress = column(self.progress_text, self.bar, spacing=GRID_PX // 2)
        parts = (head, facts, progress, grows(self._scrolled))
        lay_out(self, *parts, spacing=12, margins_px=AROUND_PAGE_PX)
        control.changed.connect(self.refresh)

    def _make_controls(self) -> None:
        control = self._control
        self.back = button(tr("‹ Runs"), self.back_requested.emit, "link")
        self.back.setAccessibleName(tr("Back to all runs"))
        self.title = ElidedLabel("", "title")
        self.facts = label("", "secondary")
        self.folder = ElidedLabel("", "secondary", Qt.TextElideMode.ElideMiddle)
        self.start = button(tr("Start"), self._start, "primary")
        self.stop = button(tr("Stop"), control.stop)
        self.export_report = button(tr("Export Report…"), self._ask_report)
        self.export_picture = button(tr("Export Picture…"), self._ask_picture)
        self.progress_text = label("", "secondary")
        self.bar = QProgressBar()
        self.bar.setRange(0, _SCALE)
        self.bar.setTextVisible(False)
        self.bar.setAccessibleName(tr("Progress of the study"))

    def _make_content(self) -> None:
        self.table = make_table(self.table_model, tr("Arms of the study"), ())
        self.table.setHorizontalScrollMode(self.table.ScrollMode.ScrollPerPixel)
        self.table.horizontalHeader().setStretchLastSection(True)
        self.table.horizontalScrollBar().rangeChanged.connect(lambda *_: self._fit_table())
        self.table.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self._note = label("", "secondary", wraps=True)
        self._heading = label(tr("Accuracy by task"), "heading")
        self._legend = label(
            tr("In percent: a row after each task, a column for each task."),
            "secondary",
            wraps=True,
        )
        self._maps_card = CardFrame()
        fill(self._maps_card.inside, self._heading, self._legend, self.maps)
        self.picture = QWidget()
        self.picture.setObjectName("page")
        lay_out(self.picture, self.table, self._note, self._maps_card, None, spacing=12)
        self._scrolled = QScrollArea()
        scroll_down(self._scrolled)
        self._scrolled.setWidget(self.picture)

    @property
    def study(self) -> "ReadStudy | None":
        return self._control.study

    def refresh(self) -> None:
        """Show the current state of the study."""
        from app.library.reading.study_report import by_arm

        study = self.study
        if study is None:
            return
        self.title.setText(study.path.stem)
        self.facts.setText(_extent(study))
        self.folder.setText(tr("· saved in {folder}", folder=study.folder))
        self.table_model.show_study(study)
        self._fit_table()
        arms = by_arm(study.sequences, study.study.acquisition)
        self.maps.show_maps([ArmMap(arm.arm, arm.matrix) for arm in arms])
        self._maps_card.setVisible(bool(arms))
        self._note.setText(_note(study.study.acquisition, has_results=bool(arms)))
        self.start.setText(tr("Resume") if study.is_begun else tr("Start"))
        self.start.setVisible(bool(study.waiting) and not self._control.is_going)
        self.stop.setVisible(self._control.is_going)
        allow(self.start, self._control.start_blocker(), tr("Train the remaining runs"))
        why_not = "" if arms else tr("No arm has learned all tasks yet.")
        for export in (self.export_report, self.export_picture):
            allow(export, why_not)
        self._show_progress()

    def _fit_table(self) -> None:
        """Set the table's height to its rows, plus a horizontal scroll bar if it needs one."""
        bar = self.table.horizontalScrollBar()
        beside = bar.sizeHint().height() if bar.maximum() else 0
        self.table.setFixedHeight((self.table_model.rowCount() + 1) * ROW_PX + 4 + beside)

    def show_live(self, live: LiveRun | None) -> None:
        """Update the progress with that of the run in progress."""
        self._live = live
        if self.isVisible():
            self._show_progress()

    def set_theme(self, theme: Theme) -> None:
        self.table_model.set_theme(theme)
        self.maps.set_theme(theme)

    def _show_progress(self) -> None:
        study, run = self.study, self._control.run
        if study is None:
            return
        done, total = len(study.runs) - len(study.waiting), len(study.runs)
        share = self._live.share if self._live is not None and run is not None else 0.0
        self.bar.setValue(round(_SCALE * (done + share) / total))
        parts = [tr("{done:,} of {total:,} runs done", done=done, total=total)]
        if run is not None:
            parts.append(
                tr("{arm}, seed {seed}, task {n}", arm=run.arm.name, seed=run.seed,
                   n=run.number + 1)
            )  # fmt: skip
        left = self._control.seconds_left(share)
        parts += [tr("{time} left", time=formatting.duration(left))] if left is not None else []
        say(self.progress_text, " · ".join(parts))

    def _start(self) -> None:
        """Start at once, or ask first if there are many runs."""
        study = self.study
        if study is None or self.question is not None:
            return
        if study.is_begun or len(study.runs) <= _MAX_UNASKED:
            self._control.start()
        else:
            self._ask(study)

    def _ask(self, study: "ReadStudy") -> None:
        question = trn("Train {n:,} run?", "Train {n:,} runs?", len(study.runs))
        how = tr("They train one after another. You can stop at any time and resume later.")
        box = dialog(self.window(), question, how)
        box.setIcon(QMessageBox.Icon.Question)
        start = box.addButton(tr("Start"), QMessageBox.ButtonRole.AcceptRole)
        cancel = box.addButton(tr("Cancel"), QMessageBox.ButtonRole.RejectRole)
        box.setDefaultButton(start)
        box.setEscapeButton(cancel)
        box.setWindowModality(box.windowModality().WindowModal)
        box.finished.connect(lambda _: self._take_answer(study, box.clickedButton() is start))
        self.question = box
        box.open()

    def _take_answer(self, study: "ReadStudy", is_agreed: bool) -> None:
        if self.question is not None:
            self.question.deleteLater()
            self.question = None
        if is_agreed and study is self.study:  # another study may be open by now
            self._control.start()

    def _ask_report(self) -> None:
        self.report_export_requested.emit(self.study)

    def _ask_picture(self) -> None:
        if self.study is not None:
            self.picture_export_requested.emit(self.picture, self.study.path.stem)


def _extent(study: "ReadStudy") -> str:
    """For example "12 arms × 5 seeds × 4 tasks = 240 runs on Starter model"."""
    plan = study.study
    factors = (
        trn("{n:,} arm", "{n:,} arms", len(plan.arms)),
        trn("{n:,} seed", "{n:,} seeds", len(plan.seeds)),
        trn("{n:,} task", "{n:,} tasks", len(plan.tasks)),
    )
    models = {arm.config.model: model_name(arm.config.model) for arm in plan.arms}
    names = ", ".join(formatting.shortened(name, _MAX_NAME_CHARACTERS) for name in models.values())
    return tr(
        "{factors} = {runs} on {models}",
        factors=" × ".join(factors),
        runs=trn("{n:,} run", "{n:,} runs", len(study.runs)),
        models=formatting.shortened(names, 2 * _MAX_NAME_CHARACTERS),
    )


def _note(acquisition: float, *, has_results: bool) -> str:
    if not has_results:
        return tr("Results appear once an arm has learned all tasks.")
    return tr(
        "Mean ± half of the 95 % interval over the seeds. Only arms that learned at least "
        "{percent:.0f} % of each task on average are compared; others are marked *.",
        percent=100 * acquisition,
    )
