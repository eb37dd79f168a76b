"""The Train page: what goes in on the left, the run on the right. Asks for things, does none."""

from PySide6.QtCore import QSettings, Qt, Signal
from PySide6.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QScrollArea,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from app.ui.app_state import AppState, Phase
from app.ui.run_actions import RunActions
from app.ui.theme import Theme
from app.ui.widgets.building import GRID_PX
from app.ui.widgets.data_card import DataCard
from app.ui.widgets.hero import Hero
from app.ui.widgets.log_view import LogView
from app.ui.widgets.model_card import ModelCard
from app.ui.widgets.plots_place import PlotsPlace
from app.ui.widgets.run_header import RunHeader
from app.ui.widgets.score_card import ScoreCard
from app.ui.widgets.settings_form import SettingsForm
from app.ui.widgets.tier_editor import TierEditor

COLUMN_PX = 344


class TrainPage(QWidget):
    dataset_choice_requested = Signal()
    model_choice_requested = Signal()
    starter_requested = Signal()
    sample_requested = Signal()
    reveal_requested = Signal()
    export_requested = Signal()

    def __init__(self, state: AppState, actions: RunActions, settings: QSettings) -> None:
        super().__init__()
        self.setObjectName("page")
        self._state = state
        self.data = DataCard(state)
        self.model = ModelCard(state)
        self.tiers = TierEditor(state)
        self.form = SettingsForm(state, settings)
        self.hero = Hero(state)
        self.header = RunHeader(state, actions)
        self.plots_place = PlotsPlace(state)
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
        layout.setContentsMargins(2 * GRID_PX, 2 * GRID_PX, GRID_PX, 2 * GRID_PX)
        layout.setSpacing(12)
        for card in (self.data, self.model, self.tiers, self.form):
            layout.addWidget(card)
        layout.addStretch(1)
        column = QScrollArea()
        column.setObjectName("column")
        column.setFrameShape(QFrame.Shape.NoFrame)
        column.setWidgetResizable(True)
        column.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        column.setFixedWidth(COLUMN_PX)
        column.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        column.setWidget(self._cards)
        return column

    def _make_right(self) -> QWidget:
        self._run = QWidget()
        layout = QVBoxLayout(self._run)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(12)
        layout.addWidget(self.header)
        layout.addWidget(self.scores)
        layout.addWidget(self.plots_place, 1)
        layout.addWidget(self.log)
        self._right = QStackedWidget()
        self._right.setContentsMargins(GRID_PX, 2 * GRID_PX, 2 * GRID_PX, 2 * GRID_PX)
        self._right.addWidget(self.hero)
        self._right.addWidget(self._run)
        return self._right

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
        for part in (self.tiers, self.form, self.hero, self.plots_place, self.log):
            part.set_theme(theme)

    def _show_phase(self) -> None:
        state = self._state
        is_empty = state.phase is Phase.EMPTY and not (state.started or state.finished)
        self._right.setCurrentWidget(self.hero if is_empty else self._run)
        self._cards.setEnabled(not state.phase.is_active)
