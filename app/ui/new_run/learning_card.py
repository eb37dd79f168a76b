"""Chooses how the planned run learns: one of a few methods with plain names."""

from PySide6.QtCore import Qt
from PySide6.QtGui import QMouseEvent
from PySide6.QtWidgets import QButtonGroup, QLabel, QPushButton, QRadioButton, QWidget

from app.core.config.learning_methods import (
    BY_TIERS,
    CUSTOM,
    LEARN_AND_KEEP,
    LEARNING_METHODS,
    LearningMethod,
    learning_method,
    with_learning_method,
    with_tiers,
)
from app.core.config.training_config import TrainingConfig
from app.core.text.translation import tr, trn
from app.ui.look import formatting
from app.ui.look.plain_text import PlainLabel, set_tip
from app.ui.state.app_state import AppState
from app.ui.widgets.basic_widgets import MIN_WRAPPED_PX, CardFrame, button
from app.ui.widgets.layouts import column, row

_INDENT_PX = 22
"""The left edge of a radio button's text."""
_LINK_PADDING_PX = 5


class LearningCard(CardFrame):
    """Writes the state's clocks and tiers. Any other combination of them is shown as Custom."""

    def __init__(self, state: AppState) -> None:
        super().__init__(tr("How it learns"))
        self._state = state
        self._tiers_before: TrainingConfig | None = None
        """The last plan with tiers, which are restored when the user chooses tiers again."""
        self._rates: dict[bool, float] = {}
        """The last learning rate with clocks (True) and without (False), for the dataset `_rated`.
        """
        self._rated = state.config.data
        self.choices: dict[str, QRadioButton] = {}
        self.lines: dict[str, QLabel] = {}
        """Both dictionaries are keyed by the method's English title."""
        self._group = QButtonGroup(self)
        self.setAccessibleName(tr("How it learns"))
        self.custom = self._entry(CUSTOM)
        self.combine = button(tr("Combine with Tiers"), self._combine, "link")
        set_tip(self.combine, tr("Also update parts of the adapter at different steps"))
        for way in LEARNING_METHODS:
            beside = [self.combine] if way is LEARN_AND_KEEP else []
            self.inside.addWidget(self._entry(way, *beside))
            if way.clocks:
                self._explain(way)
        self.inside.addWidget(self.custom)
        state.config_changed.connect(self.refresh)
        self.refresh()

    def _entry(self, way: LearningMethod, *links: QPushButton) -> QWidget:
        choice = QRadioButton(tr(way.title))
        line = _Line(choice)
        choice.clicked.connect(lambda: self._choose(way))
        self._group.addButton(choice)
        self.choices[way.title], self.lines[way.title] = choice, line
        made, whole = QWidget(), column(choice, spacing=0)
        whole.addLayout(row(_INDENT_PX, line, spacing=0))
        for link in links:
            whole.addLayout(row(_INDENT_PX - _LINK_PADDING_PX, link, None, spacing=0))
        made.setLayout(whole)
        self._set_description(way, tr(way.description))
        return made

    def _explain(self, way: LearningMethod) -> None:
        plan = with_learning_method(self._state.config, way)
        tip = tr(
            "{clocks} Learning rate {rate}. The run measures forgetting.",
            clocks=mixture_words(plan),
            rate=formatting.number(plan.learning_rate),
        )
        set_tip(self.choices[way.title], tip, is_wrapped=True)

    def refresh(self) -> None:
        config = self._state.config
        way = learning_method(config)
        if len(config.tiers) > 1:
            self._tiers_before = config
        for part in (self.custom, self.choices[CUSTOM.title]):  # arrow keys skip hidden buttons
            part.setVisible(way is CUSTOM)
        self._set_description(CUSTOM, mixture_words(config))
        self.choices[way.title].setChecked(True)
        self.combine.setVisible(way is LEARN_AND_KEEP)

    def _set_description(self, way: LearningMethod, text: str) -> None:
        self.lines[way.title].setText(text)
        self.choices[way.title].setAccessibleDescription(text)

    def _choose(self, way: LearningMethod) -> None:
        config = self._state.config
        left = learning_method(config)
        if way is left:
            return
        if config.data != self._rated:
            self._rated, self._rates = config.data, {}
        if left is not CUSTOM:
            self._rates[bool(left.clocks)] = config.learning_rate
        config = with_learning_method(config, way, self._rates.get(bool(way.clocks)))
        self._state.replace_config(self._with_earlier_tiers(config) if way is BY_TIERS else config)
        self.refresh()

    def _combine(self) -> None:
        self._state.replace_config(self._with_earlier_tiers(with_tiers(self._state.config)))

    def _with_earlier_tiers(self, config: TrainingConfig) -> TrainingConfig:
        before = self._tiers_before
        return config if before is None else with_tiers(config, before)


class _Line(PlainLabel):
    """The text below a radio button. A click on it clicks the button."""

    def __init__(self, choice: QRadioButton) -> None:
        super().__init__("")
        self._choice = choice
        self.setObjectName("secondary")
        self.setWordWrap(True)
        self.setMinimumWidth(MIN_WRAPPED_PX)

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        if event.button() is Qt.MouseButton.LeftButton:
            self._choice.click()
        super().mouseReleaseEvent(event)


def mixture_words(config: TrainingConfig) -> str:
    """A description of the clocks and tiers in one line."""
    parts = []
    if config.slow_every:
        often = trn("a lesson every step", "a lesson every {n:,} steps", config.slow_every)
        share = tr("weight {weight}", weight=formatting.number(config.slow_weight))
        if config.slow_rate:
            share = tr("own AdamW at {rate}×", rate=formatting.number(config.slow_rate))
        parts.append(f"{often}, {share}")
    if config.lasting_pull:
        parts.append(tr("lasting pull {pull}", pull=formatting.number(config.lasting_pull)))
    if len(config.tiers) > 1:
        parts.append(trn("{n:,} tier", "{n:,} tiers", len(config.tiers)))
    words = "; ".join(parts)
    return f"{words[:1].upper()}{words[1:]}." if words else tr(CUSTOM.description)
