"""Moves runs and checkpoints to the Trash, and says how that is undone."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal

from app.core.errors import Failure
from app.core.text.sanitize import single_line
from app.core.text.sentences import localized
from app.core.text.translation import tr, trn
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
        parent: QObject,
    ) -> None:
        super().__init__(parent)
        self._background, self._notice, self._undo = background, notice, undo

    def delete_runs(self, runs: "tuple[RunSummary, ...]") -> None:
        name, n = single_line(runs[0].name), len(runs)
        named = tr("“{name}”", name=name) if n == 1 else trn("{n:,} run", "{n:,} runs", n)
        self._delete(partial(trash.delete_runs, [run.run_dir for run in runs]), named)

    def delete_checkpoint(self, facts: "CheckpointFacts") -> None:
        folder = facts.folder
        run_dir = folder.parent.parent
        self._delete(
            partial(trash.delete_checkpoints, run_dir, [folder]),
            tr("the checkpoint {name}", name=folder.name),
        )

    def keep_best_and_last(self, run_dir: Path) -> None:
        self._delete(partial(trash.keep_best_and_last, run_dir), "")

    def _delete(self, work: "Callable[[], Deletion]", named: str) -> None:
        def done(deletion: "Deletion") -> None:
            n = len(deletion.removed)
            self._take(deletion, named or trn("{n:,} checkpoint", "{n:,} checkpoints", n))

        self._background.run(work, done, self._fail)

    def _take(self, deletion: "Deletion", named: str) -> None:
        if deletion.removed:
            undo = self._push(deletion, named)
            moved = tr("Moved {named} to the Trash.", named=named)
            self._notice.tell(f"{moved} {localized(deletion.problem)}".strip(), tr("Undo"), undo)
        elif deletion.problem:
            self._notice.tell_problem(localized(deletion.problem))
        self.changed.emit()

    def _push(self, deletion: "Deletion", named: str) -> Callable[[], None]:
        def put_back() -> None:
            work = partial(trash.restore, deletion)
            self._background.run(work, lambda left: self._tell_back(left, named), self._fail)

        return self._undo.push(tr("Move to Trash"), put_back)

    def _tell_back(self, left: "Deletion", named: str) -> None:
        """What the disk refused can be undone once more."""
        if left.removed:
            self._notice.tell_problem(localized(left.problem), tr("Undo"), self._push(left, named))
        elif left.problem:
            self._notice.tell_problem(localized(left.problem))
        else:
            self._notice.tell(tr("Restored {named}.", named=named))
        self.changed.emit()

    def _fail(self, failure: Failure) -> None:
        self._notice.tell_failure(failure)
        self.changed.emit()
