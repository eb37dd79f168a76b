"""Moves runs and checkpoints to the Trash and takes it back, the last deletion first."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal

from app.core.one_line import one_line
from app.ui import phrases
from app.ui.widgets.notice import Notice
from app.workers.background import BackgroundTasks, Failure
from app.workers.deleting import (
    Deletion,
    deleting_checkpoints,
    deleting_runs,
    thinning_out,
    undoing,
)

if TYPE_CHECKING:
    from app.library.checkpoint_list import CheckpointFacts
    from app.library.run_summary import RunSummary


class Deleting(QObject):
    changed = Signal()
    """Something is gone or back."""

    def __init__(
        self,
        background: BackgroundTasks,
        notice: Notice,
        tell_failure: Callable[[Failure], None],
        parent: QObject,
    ) -> None:
        super().__init__(parent)
        self._background, self._notice, self._tell_failure = background, notice, tell_failure
        self._done: list[Deletion] = []

    def delete_runs(self, runs: "tuple[RunSummary, ...]") -> None:
        is_one = len(runs) == 1
        named = f"“{one_line(runs[0].name)}”" if is_one else phrases.plural(len(runs), "run")
        self._delete(deleting_runs([run.run_dir for run in runs]), named)

    def delete_checkpoint(self, facts: "CheckpointFacts") -> None:
        folder = facts.folder
        run_dir = folder.parent.parent
        self._delete(deleting_checkpoints(run_dir, [folder]), f"The checkpoint {folder.name}")

    def keep_best_and_last(self, run_dir: Path) -> None:
        self._delete(thinning_out(run_dir), "")

    def undo(self) -> None:
        """Put the last deletion back; nothing happens if there is none."""
        if self._done:
            self._background.run(undoing(self._done.pop()), self._tell_back, self._fail)

    def _delete(self, work: Callable[[], Deletion], named: str) -> None:
        def done(deletion: Deletion) -> None:
            self._take(deletion, named or phrases.plural(len(deletion.removed), "checkpoint"))

        self._background.run(work, done, self._fail)

    def _take(self, deletion: Deletion, named: str) -> None:
        if deletion.removed:
            self._done.append(deletion)
            verb = "are" if named[0].isdigit() and not named.startswith("1 ") else "is"
            self._notice.tell(
                f"{named} {verb} in the Trash now. {deletion.problem}".strip(), "Undo", self.undo
            )
        elif deletion.problem:
            self._notice.tell(deletion.problem)
        self.changed.emit()

    def _tell_back(self, left: Deletion) -> None:
        """What the disk refused can be undone once more."""
        if left.removed:
            self._done.append(left)
            self._notice.tell(left.problem, "Undo", self.undo)
        else:
            self._notice.tell(left.problem or "Put back.")
        self.changed.emit()

    def _fail(self, failure: Failure) -> None:
        self._tell_failure(failure)
        self.changed.emit()
