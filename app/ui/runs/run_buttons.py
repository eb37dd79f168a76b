"""Buttons for the selected runs. A disabled button gives the reason in its tool tip."""

from typing import TYPE_CHECKING

from PySide6.QtGui import QKeySequence
from PySide6.QtWidgets import QWidget

from app.core.text.translation import tr
from app.library.run.resumability import IN_PROGRESS
from app.ui.look import formatting
from app.ui.runs.compared_losses import MAX_COMPARED
from app.ui.state.run_queue import RunQueue
from app.ui.system.file_manager import REVEAL_LABEL
from app.ui.tables.run_rows import WaitingRun
from app.ui.widgets.basic_widgets import allow, push_button
from app.ui.widgets.wrapping_row import WrappingRow

if TYPE_CHECKING:
    from app.library.reading.run_summary import RunSummary
    from app.ui.tables.run_rows import Row

_ONE = tr("Select one run.")


class RunButtons(QWidget):
    """The button row below the table; RunsView connects the buttons."""

    def __init__(self, queue: RunQueue) -> None:
        super().__init__()
        self._queue = queue
        self.open = push_button(tr("Open"))
        self.attempt = push_button(tr("Try"))
        self.resume = push_button(tr("Resume"))
        self.compare = push_button(tr("Compare"))
        self.earlier = push_button(tr("Move Up"))
        self.later = push_button(tr("Move Down"))
        self.reveal = push_button(REVEAL_LABEL)
        self.export = push_button(tr("Export Checkpoint…"))
        self.delete = push_button(tr("Move to Trash"))
        left = (self.open, self.attempt, self.resume, self.compare, self.earlier, self.later)
        right = (self.reveal, self.export, self.delete)
        self.all = (*left, *right)
        self.setLayout(WrappingRow(left, right))

    def show_selection(self, selected: "tuple[Row, ...]", busy: str) -> None:
        """`busy`: why no run can be resumed now; empty if runs can be."""
        runs = tuple(run for run in selected if not isinstance(run, WaitingRun))
        waiting = tuple(run for run in selected if isinstance(run, WaitingRun))
        run = runs[0] if len(selected) == len(runs) == 1 else None
        for part in (self.attempt, self.resume, self.compare, self.reveal, self.export):
            part.setVisible(bool(runs) or not waiting)
        for part in (self.earlier, self.later):
            part.setVisible(bool(waiting) and not runs)
        has_adapter = run is not None and run.adapter_dir is not None
        no_adapter = (
            "" if has_adapter else _ONE if run is None else tr("This run has no checkpoint.")
        )
        allow(self.open, "" if len(selected) == 1 else _ONE)
        allow(self.attempt, no_adapter)
        allow(self.resume, _resume_blocker(run, busy))
        many = tr("Select two to {most} runs to compare them.", most=MAX_COMPARED)
        allow(self.compare, "" if 2 <= len(runs) <= MAX_COMPARED else many)
        allow(self.reveal, "" if run is not None else _ONE)
        allow(self.export, no_adapter)
        self._allow_removal(runs, waiting)
        self._allow_moves(waiting)

    def _allow_removal(
        self, runs: "tuple[RunSummary, ...]", waiting: tuple[WaitingRun, ...]
    ) -> None:
        self.delete.setText(tr("Remove") if waiting and not runs else tr("Move to Trash"))
        fixed = next(filter(None, (self._touch_blocker(run) for run in waiting)), "")
        if any(formatting.is_in_progress(run.outcome) for run in runs):
            fixed = tr("A run in progress can't be deleted.")
        allow(self.delete, fixed or ("" if runs or waiting else tr("Select a run.")))

    def _allow_moves(self, waiting: tuple[WaitingRun, ...]) -> None:
        keys = [run.key for run in self._queue.runs]
        one = waiting[0] if len(waiting) == 1 else None
        fixed = self._touch_blocker(one) if one is not None else tr("Select one waiting run.")
        is_first = one is not None and keys[:1] == [one.key]
        is_last = one is not None and keys[-1:] == [one.key]
        allow(
            self.earlier, fixed or (tr("It's already first.") if is_first else ""), _tip("Ctrl+Up")
        )
        allow(self.later, fixed or (tr("It's already last.") if is_last else ""), _tip("Ctrl+Down"))

    def _touch_blocker(self, run: WaitingRun) -> str:
        if not run.key:
            return tr("It is being prepared. Open it to stop it.")
        return self._queue.why_not_touch(run.key)


def _resume_blocker(run: "RunSummary | None", busy: str) -> str:
    if run is None:
        return _ONE
    if formatting.is_in_progress(run.outcome):
        return tr(IN_PROGRESS)
    return run.resume_blocker or busy


def _tip(keys: str) -> str:
    return str(QKeySequence(keys).toString(QKeySequence.SequenceFormat.NativeText))
