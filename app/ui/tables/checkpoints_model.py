"""A Qt model of a run's checkpoints. Reads no files."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from app.core.text.sentences import localized
from app.core.text.translation import tr
from app.library.run.resumability import ANOTHER_RUNS
from app.ui.look import formatting
from app.ui.plots.tick_labels import step_text, value_text
from app.ui.tables.table_model import Column, TableModel

if TYPE_CHECKING:
    from app.library.reading.checkpoints import CheckpointFacts


class CheckpointsModel(TableModel["CheckpointFacts"]):
    """The rows are replaced all at once; the latest checkpoint is at the top."""

    def __init__(self) -> None:
        super().__init__(_COLUMNS, lambda facts: localized(facts.problem))

    def show_checkpoints(self, checkpoints: "Sequence[CheckpointFacts]") -> None:
        self.show_rows(list(reversed(checkpoints)))


def _is_odd(facts: "CheckpointFacts") -> bool:
    return bool(facts.problem or facts.not_own)


def marks_text(facts: "CheckpointFacts") -> str:
    """For example "Best · Last", or that the checkpoint is damaged or not the run's own."""
    if _is_odd(facts):
        return tr("Damaged") if facts.problem else _foreign(facts.not_own)
    marks = ((tr("Best"), facts.is_best), (tr("Last"), facts.is_last))
    return " · ".join(name for name, is_so in marks if is_so)


def _foreign(not_own: str) -> str:
    return tr("From another run") if not_own == ANOTHER_RUNS else tr("A copy")


def _lengths(values: Sequence[float]) -> str:
    return " · ".join(map(value_text, values)) or "–"


_COLUMNS: "tuple[Column[CheckpointFacts], ...]" = (
    Column(tr("Step"), lambda facts: step_text(facts.step), is_number=True),
    Column(
        tr("Validation loss"), lambda facts: formatting.loss(facts.val_loss), is_number=True,
        heading=tr("Loss"),
    ),
    Column(tr("Change per tier"), lambda facts: _lengths(facts.deltas), heading=tr("Change")),
    Column(tr("Drift per tier"), lambda facts: _lengths(facts.drifts), heading=tr("Drift")),
    Column(tr("Size"), lambda facts: formatting.size(facts.size_bytes), is_number=True),
    Column(
        "", marks_text, tone=lambda facts: "danger" if facts.problem or facts.not_own else "success"
    ),
)  # fmt: skip
