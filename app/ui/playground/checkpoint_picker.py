"""Combo boxes that choose a run and one of its checkpoints."""

from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QHBoxLayout, QSizePolicy, QWidget

from app.core.generation_events import CheckpointRef
from app.core.text.sanitize import single_line
from app.core.text.translation import tr
from app.ui.look import formatting
from app.ui.playground.playground_session import Subject
from app.ui.tables.checkpoints_model import marks_text
from app.ui.tables.run_rows import day_text
from app.ui.widgets.calm_inputs import CalmComboBox
from app.ui.widgets.layouts import GRID_PX

if TYPE_CHECKING:
    from app.library.reading.checkpoints import CheckpointChoices, CheckpointFacts
    from app.library.reading.run_summary import RunSummary

RUN_PX, CHECKPOINT_PX, MIN_PX = 240, 324, 140


class Chooser(QWidget):
    run_chosen = Signal(object)
    """Argument: the path of a run's folder."""
    subject_chosen = Signal(object)
    """Argument: Subject, or None if the run has no checkpoint."""

    def __init__(self) -> None:
        super().__init__()
        self._choices: CheckpointChoices | None = None
        self._moved: dict[Path, Path] = {}
        """New base model folders of runs, chosen by the user because the base model was moved."""
        self.run = CalmComboBox({}, tr("Run"))
        self.checkpoint = CalmComboBox({}, tr("Checkpoint"))
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        for chooser, width in ((self.run, RUN_PX), (self.checkpoint, CHECKPOINT_PX)):
            chooser.setMinimumWidth(MIN_PX)
            chooser.setMaximumWidth(width)
            chooser.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)
            chooser.setSizeAdjustPolicy(CalmComboBox.SizeAdjustPolicy.AdjustToContents)
        layout.setSpacing(GRID_PX)
        layout.addWidget(self.run)
        layout.addWidget(self.checkpoint)
        layout.addStretch(1)
        self.run.activated.connect(lambda _: self.run_chosen.emit(self.run.currentData()))
        self.checkpoint.activated.connect(lambda _: self._emit_subject())

    @property
    def run_dir(self) -> Path | None:
        """The folder of the chosen run."""
        found = self.run.currentData()
        return found if isinstance(found, Path) else None

    @property
    def folder(self) -> Path | None:
        """The folder of the chosen checkpoint."""
        found = self.checkpoint.currentData()
        return found if isinstance(found, Path) else None

    def show_runs(self, runs: "list[RunSummary]") -> None:
        """List the runs, which all have a checkpoint."""
        self.run.clear()
        for run in runs:
            day = day_text(run.created)
            self.run.addItem(f"{single_line(run.name)}   {day}", run.run_dir)

    def choose_run(self, run_dir: Path) -> None:
        if (at := self._index(self.run, run_dir)) >= 0:
            self.run.setCurrentIndex(at)

    def show_choices(self, choices: "CheckpointChoices", folder: Path | None) -> None:
        """List a run's checkpoints, the latest first. Chooses `folder` if it is among them."""
        self._choices = choices
        if self._index(self.run, choices.run_dir) < 0:  # a run outside the library
            self.run.addItem(choices.name, choices.run_dir)
        self.choose_run(choices.run_dir)
        self.checkpoint.clear()
        for facts in reversed(choices.checkpoints):
            self.checkpoint.addItem(_words(facts), facts.folder)
            tip = tr("Validation loss {value}", value=formatting.loss(facts.val_loss))
            self.checkpoint.setItemData(
                self.checkpoint.count() - 1, tip, Qt.ItemDataRole.ToolTipRole
            )
        preferred = choices.preferred
        at = self._index(self.checkpoint, folder)
        if at < 0 and preferred is not None:
            at = self._index(self.checkpoint, preferred.folder)
        self.checkpoint.setCurrentIndex(at)
        self.checkpoint.setEnabled(bool(choices.checkpoints))
        self._emit_subject()

    def use_model(self, folder: Path) -> None:
        """Use this folder for the base model of the chosen run."""
        if self._choices is not None:
            self._moved[self._choices.run_dir] = folder
            self._emit_subject()

    def knows_model(self, run_dir: Path) -> bool:
        """Whether the user has chosen a new folder for the run's base model."""
        return run_dir in self._moved

    def _emit_subject(self) -> None:
        choices, folder = self._choices, self.folder
        if choices is None or folder is None:
            self.subject_chosen.emit(None)
            return
        facts = next(facts for facts in choices.checkpoints if facts.folder == folder)
        model = self._moved.get(choices.run_dir, choices.model)
        self.subject_chosen.emit(Subject(CheckpointRef(model, folder), choices.name, facts))

    def _index(self, combo: CalmComboBox, path: Path | None) -> int:
        return next((at for at in range(combo.count()) if combo.itemData(at) == path), -1)


def _words(facts: "CheckpointFacts") -> str:
    parts = [tr("Step {step:,}", step=facts.step)]
    if facts.val_loss is not None:
        parts.append(formatting.loss(facts.val_loss))
    return " · ".join(filter(None, (*parts, marks_text(facts))))
