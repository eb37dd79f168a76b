"""How much is held out for validation, with the counts of both sides."""

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QSlider, QVBoxLayout, QWidget

from app.ui import phrases
from app.ui.app_state import AppState
from app.ui.data.figures import Figures
from app.ui.widgets.building import button, card, enable, label, row
from app.ui.widgets.setting_field import SettingField

if TYPE_CHECKING:
    from app.data.data_statistics import DataStatistics
    from app.data.inspection import DatasetFacts

MOST_PERCENT = 50
_STEPS_A_PERCENT = 2


class SplitSlider(QSlider):
    """Half percents; does not move when the page is scrolled over it."""

    def __init__(self) -> None:
        super().__init__(Qt.Orientation.Horizontal)
        self.setRange(0, MOST_PERCENT * _STEPS_A_PERCENT)
        self.setPageStep(5 * _STEPS_A_PERCENT)
        self.setAccessibleName("Share held out for validation")
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)

    def wheelEvent(self, event: object) -> None:
        event.ignore()  # type: ignore[attr-defined]


class SplitCard(QWidget):
    def __init__(self, state: AppState, figures: Figures) -> None:
        super().__init__()
        self._state, self._figures = state, figures
        frame, inside = card("Validation")
        self.slider = SplitSlider()
        self.slider.valueChanged.connect(self._write)
        self.share = label("", "strong")
        self.counts = label("", "secondary", wraps=True)
        self.seed = SettingField("seed", state)
        self.draw = button("Draw Again", self._draw_again, "link")
        self.draw.setToolTip("Another seed: other rows are held out.")
        inside.addLayout(row(label("Held out"), None, self.share))
        inside.addWidget(self.slider)
        inside.addWidget(self.counts)
        inside.addWidget(self.seed)
        inside.addLayout(row(None, self.draw))
        inside.addStretch(1)
        outside = QVBoxLayout(self)
        outside.setContentsMargins(0, 0, 0, 0)
        outside.addWidget(frame)
        state.config_changed.connect(self.refresh)
        state.dataset_changed.connect(self.refresh)
        state.phase_changed.connect(self.refresh)
        figures.changed.connect(self.refresh)
        self.refresh()

    def refresh(self) -> None:
        config, facts = self._state.config, self._state.dataset
        has_file = facts is not None and facts.valid_examples > 0
        for part in (self.slider, self.seed, self.draw):
            part.setVisible(not has_file)
            enable(part, not self._state.phase.is_active)
        self.slider.blockSignals(True)
        self.slider.setValue(round(config.validation_share * 100 * _STEPS_A_PERCENT))
        self.slider.blockSignals(False)
        self.share.setText("A file of its own" if has_file else f"{config.validation_share:.3g}")
        if not has_file:
            self.share.setText(f"{config.validation_share * 100:g} %")
        self.counts.setText(_counts(facts, self._figures.statistics, config.validation_share))

    def _write(self, value: int) -> None:
        self._state.change_config(validation_share=value / (100 * _STEPS_A_PERCENT))

    def _draw_again(self) -> None:
        self._state.change_config(seed=(self._state.config.seed + 1) % 2**32)


def _counts(facts: "DatasetFacts | None", statistics: "DataStatistics | None", share: float) -> str:
    if facts is None:
        return ""
    if facts.valid_examples:
        train, valid = facts.examples, facts.valid_examples
    elif statistics is not None:
        train, valid = statistics.train.rows, statistics.valid.rows
    else:
        valid = min(max(1, round(facts.examples * share)), facts.examples - 1) if share else 0
        train = facts.examples - valid
        return f"About {train:,} to train on, {valid:,} to validate on."
    if not valid:
        return f"All {train:,} rows are trained on; nothing is validated."
    return f"{phrases.plural(train, 'row')} to train on, {valid:,} to validate on."
