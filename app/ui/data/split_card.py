"""The validation split: a slider, and the numbers of training and validation rows of each
dataset.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QSlider

from app.core.config.setting import percent
from app.core.config.training_config import TrainingConfig
from app.core.text.translation import tr, trn
from app.ui.data.dataset_list import DatasetList
from app.ui.data.dataset_text import SHORT_NAME
from app.ui.data.statistics_loader import StatisticsLoader
from app.ui.look import formatting
from app.ui.look.plain_text import set_tip
from app.ui.plan.setting_field import SettingField
from app.ui.state.app_state import AppState
from app.ui.state.run_dataset import RunDataset
from app.ui.widgets.basic_widgets import CardFrame, button, label
from app.ui.widgets.layouts import fill, row

if TYPE_CHECKING:
    from app.data.inspection.inspection import DatasetFacts
    from app.data.training_set.statistics import DataStatistics

MAX_PERCENT = 50
_STEPS_A_PERCENT = 2


class SplitSlider(QSlider):
    """A slider in steps of half a percent that ignores the mouse wheel."""

    def __init__(self) -> None:
        super().__init__(Qt.Orientation.Horizontal)
        self.setRange(0, MAX_PERCENT * _STEPS_A_PERCENT)
        self.setPageStep(5 * _STEPS_A_PERCENT)
        self.setAccessibleName(tr("Validation split"))
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)

    def wheelEvent(self, event: object) -> None:
        event.ignore()  # type: ignore[attr-defined]


class SplitCard(CardFrame):
    def __init__(
        self, state: AppState, statistics: StatisticsLoader, datasets: DatasetList
    ) -> None:
        super().__init__(tr("Validation"))
        self._state, self._statistics, self._datasets = state, statistics, datasets
        self.slider = SplitSlider()
        self.slider.valueChanged.connect(self._write)
        self.share = label("", "strong")
        self.counts = label("", "secondary", wraps=True)
        self.seed = SettingField("seed", state)
        self.draw = button(tr("Reshuffle"), self._draw_again, "link")
        set_tip(self.draw, tr("Chooses other validation rows by changing the seed."))
        self.inside.addLayout(row(label(tr("Validation split")), None, self.share))
        fill(self.inside, self.slider, self.counts, self.seed, row(None, self.draw), None)
        datasets.changed.connect(self.refresh)
        statistics.changed.connect(self.refresh)
        self.refresh()

    def refresh(self) -> None:
        config, datasets = self._state.config, self._datasets.all
        with_file = [one for one in datasets if one.facts and one.facts.valid_examples]
        # If all datasets have a validation file, nothing is split off.
        is_drawn = not datasets or len(with_file) < len(datasets)
        for part in (self.slider, self.seed, self.draw):
            part.setVisible(is_drawn)
        self.slider.blockSignals(True)
        self.slider.setValue(round(config.validation_split * 100 * _STEPS_A_PERCENT))
        self.slider.blockSignals(False)
        drawn = percent(config.validation_split)
        self.share.setText(drawn if is_drawn else tr("Separate file"))
        self.counts.setText("\n".join(self._counts(datasets)))

    def _counts(self, datasets: Sequence[RunDataset]) -> Iterator[str]:
        """A line for each dataset, and one for the total if there are several."""
        config, measured = self._state.config_as_cut, self._statistics.all
        if len(measured) != len(datasets):
            measured = ()
        total = Sides(0, 0)
        for one, statistics in zip_longest(datasets, measured):
            if one.facts is None:
                continue
            sides = _sides(one.facts, statistics, config)
            total = Sides(total.train + sides.train, total.valid + sides.valid)
            name = f"{formatting.shortened(one.name, SHORT_NAME)}: " if len(datasets) > 1 else ""
            has_own = len(datasets) > 1 and bool(one.facts.valid_examples)
            yield name + _sentence(sides, is_about=statistics is None, has_own=has_own)
        if len(datasets) > 1 and total.train:
            counts = _sentence(total, is_about=not measured)
            yield tr("Together: {counts}", counts=counts)

    def _write(self, value: int) -> None:
        self._state.change_config(validation_split=value / (100 * _STEPS_A_PERCENT))

    def _draw_again(self) -> None:
        self._state.change_config(seed=(self._state.config.seed + 1) % 2**32)


@dataclass(frozen=True)
class Sides:
    train: int
    valid: int


def _sides(
    facts: "DatasetFacts", statistics: "DataStatistics | None", config: TrainingConfig
) -> Sides:
    """The rows of a dataset that a run would use; approximate before tokenization."""
    if statistics is not None:
        limit = config.max_seq_length
        return Sides(statistics.train.usable_rows(limit), statistics.valid.usable_rows(limit))
    if facts.valid_examples:
        return Sides(facts.examples, facts.valid_examples)
    share = config.validation_split
    valid = min(max(1, round(facts.examples * share)), facts.examples - 1) if share else 0
    return Sides(facts.examples - max(0, valid), max(0, valid))


def _sentence(sides: Sides, *, is_about: bool, has_own: bool = False) -> str:
    """`is_about`: the counts are approximate. `has_own`: the validation rows have their own
    file.
    """
    if not sides.train:
        return tr("No rows are left to train on.")
    if not sides.valid and not is_about:
        return trn(
            "{n:,} row to train on, none to validate on.",
            "{n:,} rows to train on, none to validate on.",
            sides.train,
        )
    if has_own:
        return trn(
            "{n:,} row to train on, {valid:,} in a separate file to validate on.",
            "{n:,} rows to train on, {valid:,} in a separate file to validate on.",
            sides.train,
            valid=sides.valid,
        )
    if is_about:
        return trn(
            "About {n:,} row to train on, {valid:,} to validate on.",
            "About {n:,} rows to train on, {valid:,} to validate on.",
            sides.train,
            valid=sides.valid,
        )
    return trn(
        "{n:,} row to train on, {valid:,} to validate on.",
        "{n:,} rows to train on, {valid:,} to validate on.",
        sides.train,
        valid=sides.valid,
    )
