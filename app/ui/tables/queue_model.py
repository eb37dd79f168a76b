"""The runs that wait as a Qt table, in their order; knows nothing of disks or windows."""

from app.library.queue_file import QueuedRun
from app.ui import phrases
from app.ui.tables.columns_model import Column, ColumnsModel
from app.ui.tables.told_runs import model_name, periods_text


class QueueModel(ColumnsModel[QueuedRun]):
    def __init__(self) -> None:
        super().__init__(_COLUMNS, lambda run: run.problem)


def _data(run: QueuedRun) -> str:
    return phrases.dataset_name(run.config.data) or "–"


_COLUMNS: tuple[Column[QueuedRun], ...] = (
    Column("Name", lambda run: run.config.name or _data(run)),
    Column("Base model", lambda run: model_name(run.config.model)),
    Column("Dataset", _data),
    Column("Tiers", lambda run: periods_text([tier.period for tier in run.config.tiers])),
    Column("Steps", lambda run: f"{run.config.steps:,}"),
    Column(
        "State", lambda run: run.problem or "Waits",
        tone=lambda run: "danger" if run.problem else "",
    ),
)  # fmt: skip
STATE_COLUMN = len(_COLUMNS) - 1
