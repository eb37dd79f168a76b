"""The sampling settings for both models: collapsible, and saved for the next session."""

import math

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QAbstractSpinBox, QGridLayout, QWidget

from app.core.generation_events import MAX_SEED, MAX_TOKENS, Sampling
from app.core.text.translation import tr
from app.ui.look.plain_text import set_tip
from app.ui.look.theme import Theme
from app.ui.system.stored_preferences import Preferences
from app.ui.widgets.basic_widgets import Disclosure, label, message, say
from app.ui.widgets.calm_inputs import CalmSpinBox, NumberField, TextField
from app.ui.widgets.layouts import GRID_PX, lay_out

FIELD_WIDTH_PX, FIELD_HEIGHT_PX = 84, 30
_KEY = "try/sampling"
_TOP_P = tr("Samples only from the most likely tokens that add up to this probability. 1 uses all.")
_SEED = tr("Both models use the same seed. It has no effect at temperature 0.")
_SYSTEM = tr("Instructions for both models. Changes apply from the next question.")


class SamplingForm(QWidget):
    changed = Signal()

    def __init__(self, settings: Preferences) -> None:
        super().__init__()
        self._settings = settings
        self.temperature, self.top_p = NumberField(), NumberField()
        self.max_tokens, self.seed = CalmSpinBox(1, MAX_TOKENS), CalmSpinBox(0, MAX_SEED)
        self.system = TextField()
        self.system.setPlaceholderText(tr("None"))
        self.problem = message("problem")
        self.disclosure = Disclosure(tr("Settings"), self._make_fields(), settings, "try")
        lay_out(self, self.disclosure, self.problem, spacing=4)
        self._show(_remembered(settings))
        for field in (self.temperature, self.top_p):
            field.number_changed.connect(self._save)
        for spin in (self.max_tokens, self.seed):
            spin.setButtonSymbols(QAbstractSpinBox.ButtonSymbols.NoButtons)
            spin.valueChanged.connect(self._save)
        self._save()

    def sampling(self) -> Sampling:
        """The current values, which may be invalid."""
        return Sampling(
            self.temperature.number, self.top_p.number, self.max_tokens.value(), self.seed.value()
        )

    def set_theme(self, theme: Theme) -> None:
        self.disclosure.set_theme(theme)

    def _make_fields(self) -> QWidget:
        fields = QWidget()
        grid = QGridLayout(fields)
        grid.setContentsMargins(0, 0, 0, 6)
        grid.setHorizontalSpacing(12)
        grid.setVerticalSpacing(GRID_PX)
        named = (
            (self.temperature, tr("Temperature"), tr("0 always chooses the most likely token.")),
            (self.top_p, tr("Top-p"), _TOP_P),
            (self.max_tokens, tr("Max tokens"), tr("Longer answers are cut.")),
            (self.seed, tr("Seed"), _SEED),
        )
        for at, (control, name, what) in enumerate(named):
            control.setFixedSize(FIELD_WIDTH_PX, FIELD_HEIGHT_PX)
            self._name(grid, control, name, what, 2 * at)
        grid.setColumnStretch(2 * len(named), 1)
        self._name(grid, self.system, tr("System prompt"), _SYSTEM, 0, line=1)
        self.system.setFixedHeight(FIELD_HEIGHT_PX)
        return fields

    def _name(
        self, grid: QGridLayout, control: QWidget, name: str, what: str, at: int, line: int = 0
    ) -> None:
        caption = label(name)
        caption.setBuddy(control)
        for one in (caption, control):
            set_tip(one, what, is_wrapped=True)
        control.setAccessibleName(name)
        control.setAccessibleDescription(what)
        grid.addWidget(caption, line, at)
        grid.addWidget(control, line, at + 1, 1, -1 if line else 1)

    def _show(self, sampling: Sampling) -> None:
        self.temperature.show_number(sampling.temperature)
        self.top_p.show_number(sampling.top_p)
        self.max_tokens.setValue(sampling.max_tokens)
        self.seed.setValue(sampling.seed)

    def _save(self) -> None:
        sampling = self.sampling()
        problem = sampling.problem()
        say(self.problem, problem)
        if not problem:
            values = (sampling.temperature, sampling.top_p, sampling.max_tokens, sampling.seed)
            self._settings.set(_KEY, "/".join(map(str, values)))
        self.changed.emit()


def _remembered(settings: Preferences) -> Sampling:
    """The saved values, or the defaults if there are none or they are invalid."""
    try:
        temperature, top_p, most, seed = settings.text(_KEY).split("/")
        found = Sampling(float(temperature), float(top_p), int(most), int(seed))
    except ValueError:
        return Sampling()
    return Sampling() if found.problem() or math.isnan(found.temperature) else found
