"""Moves runs and checkpoints to the Trash, and says how that is undone."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal

from app.core.errors import Failure
from app.core.text.sanitize import single_line
from app.ui.look import formatting
from app.ui.state.undo import UndoHistory
from app.ui.widgets.notice_bar import Notice
from app.workers.background_thread import BackgroundThread
from app.workers.tasks import trash

if TYPE_CHECKING:
    from app.library.reading.checkpoints import CheckpointFacts
    from app.library.reading.run_summary import RunSummary
    from app.workers.tasks.trash import Deletion


class TrashActions(QObject):
    changed = Signal()
    """Something is gone or back."""

    def __init__(
        self,
        background: BackgroundThread,
        notice: Notice,
        undo: UndoHistory,
        tell_failure: Callable[[Failure], None],
        parent: QObject,
    ) -> None:
        super().__init__(parent)
        self._background, self._notice, self._tell_failure = background, notice, tell_failure
        self._undo = undo

    def delete_runs(self, runs: "tuple[RunSummary, ...]") -> None:
        is_one = len(runs) == 1
        named = f"“{single_line(runs[0].name)}”" if is_one else formatting.plural(len(runs), "run")
        self._delete(partial(trash.delete_runs, [run.run_dir for run in runs]), named)

    def delete_checkpoint(self, facts: "CheckpointFacts") -> None:
        folder = facts.folder
        run_dir = folder.parent.parent
        self._delete(
            partial(trash.delete_checkpoints, run_dir, [folder]), f"the checkpoint {folder.name}"
        )

    def keep_best_and_last(self, run_dir: Path) -> None:
        self._delete(partial(trash.keep_best_and_last, run_dir), "")

    def _delete(self, work: "Callable[[], Deletion]", named: str) -> None:
        def done(deletion: "Deletion") -> None:
            self._take(deletion, named or formatting.plural(len(deletion.removed), "checkpoint"))

        self._background.run(work, done, self._fail)

    def _take(self, deletion: "Deletion", named: str) -> None:
        if deletion.removed:
            undo = self._push(deletion, named)
            self._notice.tell(f"Moved {named} to the Trash. {deletion.problem}".strip(),
                              "Undo", undo)  # fmt: skip
        elif deletion.problem:
            self._notice.tell_problem(deletion.problem)
        self.changed.emit()

    def _push(self, deletion: "Deletion", named: str) -> Callable[[], None]:
        def put_back() -> None:
            work = partial(trash.restore, deletion)
            self._background.run(work, lambda left: self._tell_back(left, named), self._fail)

        return self._undo.push("Move to Trash", put_back)

    def _tell_back(self, left: "Deletion", named: str) -> None:
        """What the disk refused can be undone once more."""
        if left.removed:
            self._notice.tell_problem(left.problem, "Undo", self._push(left, named))
        elif left.problem:
            self._notice.tell_problem(left.problem)
        else:
            self._notice.tell(f"Restored {named}.")
        self.changed.emit()

    def _fail(self, failure: Failure) -> None:
        self._tell_failure(failure)
        self.changed.emit()
