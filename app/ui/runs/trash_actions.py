"""Moves runs and checkpoints to the Trash and removes runs from the queue; both can be undone."""

from collections.abc import Callable, Collection, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal

from app.core.errors import Failure
from app.core.text.sanitize import single_line
from app.core.text.sentences import localized
from app.core.text.translation import tr, trn
from app.core.wording.display_names import dataset_title
from app.ui.state.run_queue import RemovedRun, RunQueue
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
    """Runs or checkpoints were removed or restored."""

    def __init__(
        self,
        background: BackgroundThread,
        notice: Notice,
        undo: UndoHistory,
        queue: RunQueue,
        parent: QObject,
    ) -> None:
        super().__init__(parent)
        self._background, self._notice, self._undo = background, notice, undo
        self._queue = queue

    def delete_runs(
        self, runs: "tuple[RunSummary, ...]", waiting: Collection[str] = frozenset()
    ) -> None:
        """Move runs to the Trash and remove the queued runs with the keys `waiting`, as one undo
        step.
        """
        names = {run.run_dir: run.name for run in runs}

        def done(deletion: "Deletion") -> None:
            moved = [names[item.original] for item in deletion.removed]
            unqueued = self._queue.remove(waiting)
            left = [run.config.name or dataset_title(run.config.data) for run, _ in unqueued]
            self._take(deletion, _named(moved), _named(left), _named(moved + left), unqueued)

        if runs:
            self._background.run(partial(trash.delete_runs, list(names)), done, self._fail)
        else:
            done(trash.Deletion(()))

    def delete_checkpoints(self, checkpoints: "tuple[CheckpointFacts, ...]") -> None:
        """Move checkpoints of one run to the Trash."""
        folders = [facts.folder for facts in checkpoints]
        run_dir = folders[0].parent.parent
        self._delete_checkpoints(partial(trash.delete_checkpoints, run_dir, folders))

    def keep_best_and_last(self, run_dir: Path) -> None:
        self._delete_checkpoints(partial(trash.keep_best_and_last, run_dir))

    def _delete_checkpoints(self, work: "Callable[[], Deletion]") -> None:
        def done(deletion: "Deletion") -> None:
            n = len(deletion.removed)
            named = trn("{n:,} checkpoint", "{n:,} checkpoints", n)
            if n == 1:
                folder = deletion.removed[0].original
                named = tr("the checkpoint {name}", name=folder.name)
            self._take(deletion, named if n else "", "", named)

        self._background.run(work, done, self._fail)

    def _take(
        self,
        deletion: "Deletion",
        moved: str,
        left: str,
        named: str,
        unqueued: tuple[RemovedRun, ...] = (),
    ) -> None:
        """Show one notice with one undo step. `moved` names the items in the Trash, `left` the runs
        removed from the queue, `named` both.
        """
        done = tr("Moved {named} to the Trash.", named=moved) if moved else ""
        if left:
            done = tr("Removed {named} from the queue.", named=left)
        if moved and left:
            done = tr(
                "Moved {moved} to the Trash and removed {left} from the queue.",
                moved=moved,
                left=left,
            )
        problem = localized(deletion.problem)
        if done:
            undo = self._push(deletion, named, unqueued)
            self._notice.tell(f"{done} {problem}".strip(), tr("Undo"), undo)
        elif problem:
            self._notice.tell_problem(problem)
        self.changed.emit()

    def _push(
        self, deletion: "Deletion", named: str, unqueued: tuple[RemovedRun, ...] = ()
    ) -> Callable[[], None]:
        def put_back() -> None:
            self._queue.put_back(unqueued)
            work = partial(trash.restore, deletion)
            self._background.run(work, lambda left: self._report_restored(left, named), self._fail)

        name = tr("Move to Trash") if deletion.removed else tr("Remove from Queue")
        return self._undo.push(name, put_back)

    def _report_restored(self, left: "Deletion", named: str) -> None:
        """Report the result of an undo. Items that couldn't be restored get a new undo step."""
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


def _named(names: Sequence[str]) -> str:
    if len(names) == 1:
        return tr("“{name}”", name=single_line(names[0]))
    return trn("{n:,} run", "{n:,} runs", len(names)) if names else ""
