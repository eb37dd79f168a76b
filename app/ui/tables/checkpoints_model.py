"""A run's checkpoints as a Qt table; knows CheckpointFacts and nothing of disks or windows."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from app.ui.look import formatting
from app.ui.plots.tick_labels import value_text
from app.ui.tables.table_model import Column, TableModel

if TYPE_CHECKING:
    from app.library.reading.checkpoints import CheckpointFacts


class CheckpointsModel(TableModel["CheckpointFacts"]):
    """Rows come all at once; the latest checkpoint is on top."""

    def __init__(self) -> None:
        super().__init__(_COLUMNS, lambda facts: facts.problem)

    def show_checkpoints(self, checkpoints: "Sequence[CheckpointFacts]") -> None:
        self.show_rows(list(reversed(checkpoints)))


def _is_odd(facts: "CheckpointFacts") -> bool:
    return bool(facts.problem or facts.not_own)


def _marks(facts: "CheckpointFacts") -> str:
    if _is_odd(facts):
        return "Damaged" if facts.problem else facts.not_own.capitalize()
    marks = (("Best", facts.is_best), ("Last", facts.is_last))
    return " · ".join(name for name, is_so in marks if is_so)


def _lengths(values: Sequence[float]) -> str:
    return " · ".join(map(value_text, values)) or "–"


_COLUMNS: "tuple[Column[CheckpointFacts], ...]" = (
    Column("Step", lambda facts: f"{facts.step:,}", is_number=True),
    Column("Validation loss", lambda facts: formatting.loss(facts.val_loss), is_number=True),
    Column("Change per tier", lambda facts: _lengths(facts.deltas)),
    Column("Drift per tier", lambda facts: _lengths(facts.drifts)),
    Column("Size", lambda facts: formatting.size(facts.size_bytes), is_number=True),
    Column(
        "", _marks, tone=lambda facts: "danger" if facts.problem or facts.not_own else "success"
    ),
)
