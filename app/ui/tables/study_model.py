"""A Qt model of a study's arms: the mean and 95 % interval of each measure over the seeds."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.core.text.translation import decimal, tr
from app.ui.tables.table_model import Column, TableModel

if TYPE_CHECKING:
    from app.library.reading.study_report import ArmResult
    from app.library.reading.study_results import ReadStudy


@dataclass(frozen=True)
class ArmRow:
    name: str
    seeds: int
    result: "ArmResult | None"
    """None until a seed has completed all tasks."""

    def text(self, measure: str) -> str:
        return decimal(self.result.text(measure)).replace("-", "−") if self.result else "–"


class StudyModel(TableModel[ArmRow]):
    """Arms that learned too little to be compared are dimmed and marked with *."""

    def __init__(self) -> None:
        super().__init__(_COLUMNS, lambda _: "")

    def show_study(self, study: "ReadStudy") -> None:
        from app.library.reading.study_report import by_arm

        results = {one.arm: one for one in by_arm(study.sequences, study.study.acquisition)}
        seeds = len(study.study.seeds)
        self.show_rows([ArmRow(a.name, seeds, results.get(a.name)) for a in study.study.arms])


def _name(row: ArmRow) -> str:
    is_short = row.result is not None and not row.result.is_matched
    return f"{row.name} *" if is_short else row.name


def _tone(row: ArmRow) -> str:
    return "" if row.result is not None and row.result.is_matched else "secondary_text"


def _seeds(row: ArmRow) -> str:
    done = len(row.result.runs) if row.result else 0
    return tr("{done:,} of {total:,}", done=done, total=row.seeds)


def _steps(row: ArmRow) -> str:
    return f"{round(row.result.steps):,}" if row.result else "–"


def _measure(title: str, measure: str, explained: str) -> Column[ArmRow]:
    return Column(title, lambda row: row.text(measure), True, tone=_tone, explained=explained)


_COLUMNS: tuple[Column[ArmRow], ...] = (
    Column(
        tr("Arm"), _name, tone=_tone, explained=tr("One way of learning, with its settings.")
    ),
    Column(
        tr("Seeds"), _seeds, True, tone=_tone,
        explained=tr("Repetitions that have learned all tasks, each with its own random numbers."),
    ),
    Column(
        tr("Steps"), _steps, True, tone=_tone,
        explained=tr("Steps over all tasks, on average over the seeds."),
    ),
    _measure(
        tr("Learned (LA)"), "LA",
        tr("Accuracy on each task right after it was learned, on average."),
    ),
    _measure(
        tr("At the end (ACC)"), "ACC",
        tr("Accuracy on each task after the last one was learned, on average."),
    ),
    _measure(
        tr("Forgetting (F)"), "F",
        tr("Drop of each earlier task's accuracy from its best to the end, on average."),
    ),
    _measure(
        tr("BWT"), "BWT",
        tr("Backward transfer: change of each earlier task's accuracy since it was learned, on "
           "average."),
    ),
    _measure(
        tr("Change from base"), "KL",
        tr("Divergence from the base model's predictions at the end, in nats per token."),
    ),
    _measure(
        tr("Known questions"), "known",
        tr("Share of the base model's correct answers that the trained model still gives at the "
           "end."),
    ),
)  # fmt: skip
