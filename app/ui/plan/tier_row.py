"""A tier in the editor: its color, period, learning-rate factor, and number of parameters."""

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QColor, QPainter, QPaintEvent
from PySide6.QtWidgets import QToolButton, QWidget

from app.core.config.tiers import MAX_PERIOD, Pending
from app.core.config.training_config import TierConfig
from app.core.events import TierFacts
from app.core.text.sentences import localized
from app.core.text.translation import tr, trn
from app.ui.look import icons
from app.ui.look.plain_text import ElidedLabel, set_tip
from app.ui.look.theme import Theme
from app.ui.widgets.basic_widgets import label
from app.ui.widgets.calm_inputs import CalmSpinBox, NumberField
from app.ui.widgets.layouts import GRID_PX, lay_out, row

WORDED_BELOW = 1000
"""From this period on, the word "steps" is omitted, so that the text fits."""
_INDENT_PX = 20
_AROUND_TEXT_PX = 44
"""The width of a spin box without its text: padding, border, cursor and both arrows."""


class TierRow(QWidget):
    edited = Signal()
    remove_requested = Signal()

    def __init__(self, index: int) -> None:
        super().__init__()
        self._index = index
        self._pending: Pending | None = None
        """Not shown, but kept."""
        self.period = CalmSpinBox(1, MAX_PERIOD)
        self.period.setAccessibleName(tr("Tier {tier}: update period in steps", tier=index))
        self.period.setSpecialValueText(trn("every step", "every {n:,} steps", 1))
        widest = tr("every {period} steps", period=WORDED_BELOW - 1)
        text_px = self.period.fontMetrics().horizontalAdvance(widest)
        self.period.setFixedWidth(text_px + _AROUND_TEXT_PX)
        self.factor = NumberField(1.0)
        self.factor.setFixedWidth(52)
        self.factor.setTextMargins(12, 0, 0, 0)
        times = label("×", "secondary")
        times.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self.factor.setLayout(row(8, times, None, spacing=0))
        self.factor.setAccessibleName(tr("Tier {tier}: learning-rate factor", tier=index))
        set_tip(self.factor, tr("This tier's learning rate as a multiple of the run's."))
        self.remove = QToolButton()
        self.remove.setAccessibleName(tr("Remove tier {tier}", tier=index))
        set_tip(self.remove, tr("Remove this tier"))
        self.remove.setFixedSize(24, 24)
        self._swatch = _Swatch()
        self._facts = ElidedLabel("", "caption")
        name = label(tr("Tier {tier}", tier=index), "strong")
        controls = row(
            self._swatch, name, None, self.period, self.factor, self.remove, spacing=5,
        )  # fmt: skip
        below = row(_INDENT_PX - 2, self._facts, spacing=0)
        lay_out(self, controls, below, spacing=2, margins_px=(0, 0, 0, GRID_PX // 2))
        self.period.valueChanged.connect(self._note_period)
        self.factor.number_changed.connect(lambda _: self.edited.emit())
        self.remove.clicked.connect(lambda: self.remove_requested.emit())

    @property
    def controls(self) -> tuple[QWidget, ...]:
        """In order from left to right."""
        return self.period, self.factor, self.remove

    @property
    def tier(self) -> TierConfig:
        return TierConfig(self.period.value(), self.factor.number, self._pending)

    def show_tier(self, tier: TierConfig, is_only: bool) -> None:
        self._pending = tier.pending
        self.period.blockSignals(True)
        self.period.setValue(tier.period)
        self.period.blockSignals(False)
        self._word_period()
        self.factor.show_number(tier.learning_rate_factor)
        self.remove.setEnabled(not is_only)
        set_tip(
            self.remove, tr("At least one tier is required.") if is_only else tr("Remove this tier")
        )

    def show_facts(self, facts: TierFacts | None) -> None:
        """Show the tier's number of parameters in this model; "…" while it is unknown."""
        if facts is None:
            self._facts.setText("…")
        else:
            parameters = trn("{n:,} parameter", "{n:,} parameters", facts.parameters)
            self._facts.setText(f"{parameters} · {localized(facts.description)}")

    def show_nothing(self) -> None:
        """Show a dash, because the tiers are invalid and no number will follow."""
        self._facts.setText("–")

    def set_theme(self, theme: Theme) -> None:
        color = theme.tiers[self._index % len(theme.tiers)]
        self._swatch.show_color(color)
        self.remove.setIcon(icons.icon("less", theme.secondary_text, 14))

    def _note_period(self) -> None:
        self._word_period()
        self.edited.emit()

    def _word_period(self) -> None:
        before, after = tr("every {period} steps").split("{period}")
        self.period.setPrefix(before)
        self.period.setSuffix("" if self.period.value() >= WORDED_BELOW else after)


class _Swatch(QWidget):
    """The tier's color, as in the plots; not dimmed while the editor is disabled."""

    def __init__(self) -> None:
        super().__init__()
        self._color = QColor()
        self.setFixedSize(12, 12)

    def show_color(self, color: str) -> None:
        self._color = QColor(color)
        self.update()

    def paintEvent(self, _event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(self._color)
        painter.drawRoundedRect(self.rect(), 3, 3)
