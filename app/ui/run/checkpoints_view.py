"""Lists a run's checkpoints with their quality, and offers actions for the selected one."""

from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QWidget

from app.core.text.sentences import localized
from app.core.text.translation import tr
from app.library.run.resumability import ANOTHER_RUNS, IN_PROGRESS
from app.ui.look import formatting
from app.ui.look.plain_text import ElidedLabel
from app.ui.look.theme import Theme
from app.ui.tables.checkpoints_model import CheckpointsModel
from app.ui.tables.row_table import make_table, pressing
from app.ui.widgets.basic_widgets import allow, button, label, say
from app.ui.widgets.layouts import GRID_PX, column
from app.ui.widgets.wrapping_row import WrappingRow

if TYPE_CHECKING:
    from app.library.reading.checkpoints import CheckpointFacts
    from app.library.reading.run_details import RunDetails


class CheckpointsView(QWidget):
    try_requested = Signal(object)
    """Argument: CheckpointFacts; so for the next two signals."""
    export_requested = Signal(object)
    resume_requested = Signal(object)
    continue_requested = Signal(object, object)
    """Arguments: CheckpointFacts and RunDetails. The user wants to train the checkpoint on other
    data.
    """
    delete_requested = Signal(object)
    """Argument: a tuple of CheckpointFacts."""
    thin_out_requested = Signal()

    def __init__(self) -> None:
        super().__init__()
        self._details: RunDetails | None = None
        self._is_showing = False
        self._picked: tuple[Path, ...] = ()
        """The folders of the checkpoints that the user selected. If none is left, the newest one is
        selected.
        """
        self._busy = ""
        self.model = CheckpointsModel()
        self.table = make_table(self.model, tr("Checkpoints"), (2,))
        self.attempt = button(tr("Try"), lambda: self._ask(self.try_requested))
        self.export = button(tr("Export…"), lambda: self._ask(self.export_requested))
        self.resume = button(tr("Resume from Here"), lambda: self._ask(self.resume_requested))
        self.continued = button(tr("Continue with New Data…"), self._ask_continue)
        self.delete = button(tr("Move to Trash"), self._ask_delete)
        self.thin_out = button(tr("Keep Only Best and Last"), self.thin_out_requested.emit)
        self.why_not = ElidedLabel("", "secondary")
        self._none = label(tr("This run has no checkpoint."), "secondary")
        self.note = label("", "secondary")
        self.note.setWordWrap(True)
        whole = column(self._none, self.note, self.table, spacing=GRID_PX + 4)
        whole.setStretch(2, 1)
        whole.addWidget(self.why_not)  # never hidden, so the table keeps its height
        whole.addLayout(
            WrappingRow(
                (self.attempt, self.export, self.resume, self.continued),
                (self.thin_out, self.delete),
            )
        )
        self.setLayout(whole)
        self.table.set_verbs(
            *map(pressing, (self.attempt, self.export, self.resume, self.continued)),
            deletes=pressing(self.delete),
        )
        self.table.selectionModel().selectionChanged.connect(self._note_selection)

    def show_run(self, details: "RunDetails") -> None:
        self._is_showing, self._details = True, details
        self.model.show_checkpoints(details.checkpoints)
        self._none.setVisible(not details.checkpoints)
        base = details.base_loss_below_all
        say(self.note, "" if base is None else _note(base))
        rows = range(self.model.rowCount())
        there = [row for row in rows if self.model.at(row).folder in self._picked]
        self.table.select_rows(there or rows[:1])
        self._is_showing = False
        self._show_selection()

    def set_busy(self, why_not: str) -> None:
        """`why_not`: why no run can be resumed now; empty if runs can be resumed."""
        self._busy = why_not
        self._show_selection()

    def set_theme(self, theme: Theme) -> None:
        self.model.set_theme(theme)

    def selected(self) -> "CheckpointFacts | None":
        """The selected checkpoint; None unless exactly one is selected."""
        chosen = self._all_selected()
        return chosen[0] if len(chosen) == 1 else None

    def _all_selected(self) -> "tuple[CheckpointFacts, ...]":
        chosen = self.table.selectionModel().selectedRows()
        return tuple(self.model.at(index.row()) for index in chosen)

    def _note_selection(self) -> None:
        if self._is_showing:
            return
        self._picked = tuple(facts.folder for facts in self._all_selected())
        self._show_selection()

    def _show_selection(self) -> None:
        """Enable the actions that the selected checkpoint allows; give reasons for the others."""
        chosen, details = self.selected(), self._details
        why_not = tr("Select one checkpoint.") if chosen is None else localized(chosen.problem)
        going = self._why_not_touch()
        why_not_resume = going or why_not or (_foreign(chosen.not_own) if chosen else "")
        if chosen is not None and details is not None:
            why_not_resume = why_not_resume or localized(details.resume_blocker_at(chosen.step))
        allow(self.attempt, why_not)
        allow(self.export, why_not)
        allow(self.continued, why_not)
        allow(self.resume, why_not_resume or self._busy)
        allow(self.delete, going or ("" if self._all_selected() else why_not))
        allow(self.thin_out, going or self._why_not_thin_out())
        self.why_not.setText(why_not_resume if chosen is not None else "")

    def _why_not_touch(self) -> str:
        details = self._details
        is_going = details is not None and formatting.is_in_progress(details.summary.outcome)
        return tr(IN_PROGRESS) if is_going else ""

    def _why_not_thin_out(self) -> str:
        rows = [self.model.at(row) for row in range(self.model.rowCount())]
        if any(facts.is_superfluous for facts in rows):
            return ""
        if all(facts.is_best or facts.is_last for facts in rows):
            return tr("Only the best and the last are left.")
        lost = self._details.log_problem if self._details is not None else ""
        unsure = tr("The best checkpoint is uncertain.")
        return f"{unsure} {localized(lost)}".rstrip()

    def _ask_delete(self) -> None:
        self.delete_requested.emit(self._all_selected())

    def _ask_continue(self) -> None:
        if (chosen := self.selected()) is not None and self._details is not None:
            self.continue_requested.emit(chosen, self._details)

    def _ask(self, signal: object) -> None:
        if (chosen := self.selected()) is not None:
            signal.emit(chosen)  # type: ignore[attr-defined]


def _note(base_loss: float) -> str:
    return tr(
        "No checkpoint has a lower validation loss than the base model ({loss}). "
        "“Best” is the best of those listed.",
        loss=formatting.loss(base_loss),
    )


def _foreign(not_own: str) -> str:
    if not_own == ANOTHER_RUNS:
        return tr("It belongs to another run.")
    return tr("It is a {copy}.", copy=localized(not_own)) if not_own else ""
