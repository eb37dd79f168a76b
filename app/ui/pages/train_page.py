"""The Train page: what goes in on the left, the run on the right. Asks for things, does none."""

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QScrollArea,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from app.ui.app_state import AppState, Phase
from app.ui.live_series import LiveSeries
from app.ui.mix_intake import MixIntake
from app.ui.remembered import Remembered
from app.ui.run_actions import RunActions
from app.ui.stylesheet import SCROLL_BAR_PX
from app.ui.theme import Theme
from app.ui.widgets.building import GRID_PX, enable
from app.ui.widgets.data_card import DataCard
from app.ui.widgets.hero import Hero
from app.ui.widgets.log_view import LogView
from app.ui.widgets.model_card import ModelCard
from app.ui.widgets.plots_place import PlotsPlace
from app.ui.widgets.run_header import RunHeader
from app.ui.widgets.score_card import ScoreCard
from app.ui.widgets.settings_form import SettingsForm
from app.ui.widgets.tier_editor import TierEditor

COLUMN_PX = 376
GAP_PX = 6
"""With a scroll bar's width this makes two grid units between what stands side by side."""


class TrainPage(QWidget):
    dataset_choice_requested = Signal()
    model_choice_requested = Signal()
    starter_requested = Signal()
    sample_requested = Signal()
    reveal_requested = Signal()
    export_requested = Signal()

    def __init__(
        self,
        state: AppState,
        mix: MixIntake,
        live: LiveSeries,
        actions: RunActions,
        settings: Remembered,
    ) -> None:
        super().__init__()
        self.setObjectName("page")
        self._state = state
        self.data = DataCard(state, mix)
        self.model = ModelCard(state)
        self.tiers = TierEditor(state)
        self.form = SettingsForm(state, settings)
        self.hero = Hero(state)
        self.header = RunHeader(state, actions)
        self.plots_place = PlotsPlace(state, live)
        self.scores = ScoreCard(state)
        self.log = LogView(state, settings)
        self._lay_out()
        self._pass_requests_on()
        state.phase_changed.connect(self._show_phase)
        state.dataset_changed.connect(self._show_phase)
        self._show_phase()

    def _lay_out(self) -> None:
        whole = QHBoxLayout(self)
        whole.setContentsMargins(0, 0, 0, 0)
        whole.setSpacing(0)
        whole.addWidget(self._make_column())
        whole.addWidget(self._make_right(), 1)

    def _make_column(self) -> QScrollArea:
        self._cards = QWidget()
        self._cards.setObjectName("column")
        layout = QVBoxLayout(self._cards)
        layout.setContentsMargins(2 * GRID_PX, 2 * GRID_PX, GAP_PX // 2, 2 * GRID_PX)
        layout.setSpacing(12)
        for card in (self.data, self.model, self.tiers, self.form):
            layout.addWidget(card)
        layout.addStretch(1)
        column = _scrolling(self._cards)
        column.setFixedWidth(COLUMN_PX)
        return column

    def _make_right(self) -> QWidget:
        self._run = self._make_run()
        self._right = QStackedWidget()
        self._right.setContentsMargins(GAP_PX // 2, 0, 0, 0)
        self._right.addWidget(_indented(self.hero))
        self._right.addWidget(self._run)
        return self._right

    def _make_run(self) -> QScrollArea:
        """All of a run; where it is too high, it scrolls as a whole rather than be squeezed."""
        run = QWidget()
        run.setObjectName("column")
        layout = QVBoxLayout(run)
        layout.setContentsMargins(0, 2 * GRID_PX, GAP_PX, 2 * GRID_PX)
        layout.setSpacing(12)
        layout.addWidget(self.header)
        layout.addWidget(self.scores)
        layout.addWidget(self.plots_place, 1)
        layout.addWidget(self.log)
        return _scrolling(run)

    def _pass_requests_on(self) -> None:
        self.data.choose_requested.connect(self.dataset_choice_requested)
        self.hero.choose_requested.connect(self.dataset_choice_requested)
        self.hero.sample_requested.connect(self.sample_requested)
        self.model.choose_requested.connect(self.model_choice_requested)
        self.model.starter_requested.connect(self.starter_requested)
        self.header.reveal_requested.connect(self.reveal_requested)
        self.header.export_requested.connect(self.export_requested)

    def highlight_drop(self, is_on: bool) -> None:
        self.hero.highlight(is_on)
        self.data.highlight(is_on)

    def set_theme(self, theme: Theme) -> None:
        for part in (self.data, self.tiers, self.form, self.hero, self.plots_place, self.log):
            part.set_theme(theme)

    def _show_phase(self) -> None:
        state = self._state
        is_empty = state.phase is Phase.EMPTY and not (state.started or state.finished)
        self._right.setCurrentIndex(0 if is_empty else 1)
        enable(self._cards, not state.phase.is_active)


def _scrolling(content: QWidget) -> QScrollArea:
    """A frameless area that scrolls up and down only; its bar keeps its place when not needed."""
    area = QScrollArea()
    area.setObjectName("column")
    area.setFrameShape(QFrame.Shape.NoFrame)
    area.setWidgetResizable(True)
    area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
    area.setFocusPolicy(Qt.FocusPolicy.NoFocus)
    area.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOn)
    bar = area.verticalScrollBar()
    bar.rangeChanged.connect(lambda low, high: bar.setEnabled(high > low))
    bar.setEnabled(False)  # until there is something to scroll
    area.setWidget(content)
    return area


def _indented(content: QWidget) -> QWidget:
    """As far from the edges as what scrolls is."""
    outer = QWidget()
    layout = QVBoxLayout(outer)
    layout.setContentsMargins(0, 2 * GRID_PX, GAP_PX + SCROLL_BAR_PX, 2 * GRID_PX)
    layout.addWidget(content)
    return outer
