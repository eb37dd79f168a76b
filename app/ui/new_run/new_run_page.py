"""The New Run page: the inputs of the next run on the left, a preview of it on the right."""

from PySide6.QtWidgets import QScrollArea, QStackedWidget, QWidget

from app.core.config.learning_methods import BY_TIERS, CUSTOM, TIERS, learning_method
from app.ui.data.dataset_services import DataServices
from app.ui.look.stylesheet import SCROLL_BAR_PX
from app.ui.look.theme import Theme
from app.ui.new_run.data_card import DataCard
from app.ui.new_run.drop_target import Hero
from app.ui.new_run.learning_card import LearningCard
from app.ui.new_run.model_card import ModelCard, StartFromCard
from app.ui.new_run.plan_header import PlanHeader
from app.ui.new_run.plan_preview import PlanFigures, PlanRows
from app.ui.plan.settings_form import SettingsForm
from app.ui.plan.tier_editor import TierEditor
from app.ui.run.run_actions import RunActions
from app.ui.state.app_state import AppState
from app.ui.system.stored_preferences import Preferences
from app.ui.widgets.basic_widgets import leave_focus
from app.ui.widgets.layouts import GRID_PX, grows, lay_out, row, scrolling

COLUMN_PX = 376
GAP_PX = 6
"""Together with a scroll bar's width, this is a gap of two grid units between columns."""


class NewRunPage(QWidget):
    """Can be edited at any time, also while a run trains. Its parts only emit signals for the
    user's requests.
    """

    def __init__(
        self, state: AppState, work: DataServices, actions: RunActions, settings: Preferences
    ) -> None:
        super().__init__()
        self.setObjectName("page")
        self._state = state
        self.data = DataCard(state, work.datasets)
        self.model = ModelCard(state)
        self.start_from = StartFromCard(state)
        self.learning = LearningCard(state)
        self.tiers = TierEditor(state)
        self.form = SettingsForm(state, settings)
        self.hero = Hero(state)
        self.header = PlanHeader(state, actions)
        self.figures = PlanFigures(state, work.datasets, work.statistics, work.tokenization)
        self.rows = PlanRows(work.preview)
        self._lay_out()
        state.dataset_changed.connect(self._show_plan)
        for changed in (state.config_changed, state.preview_changed):
            changed.connect(self._show_tiers)
        self._show_plan()
        self._show_tiers()

    def _lay_out(self) -> None:
        self.setLayout(row(self._make_column(), grows(self._make_right()), spacing=0))

    def _make_column(self) -> QScrollArea:
        content = QWidget()
        content.setObjectName("column")
        cards = (self.data, self.model, self.start_from, self.learning, self.tiers, self.form)
        margins_px = (2 * GRID_PX, 2 * GRID_PX, GAP_PX // 2, 2 * GRID_PX)
        lay_out(content, *cards, None, spacing=12, margins_px=margins_px)
        column = scrolling(content)
        column.setFixedWidth(COLUMN_PX)
        return column

    def _make_right(self) -> QWidget:
        self._right = QStackedWidget()
        self._right.setContentsMargins(GAP_PX // 2, 0, 0, 0)
        self._right.addWidget(_indented(self.hero))
        self._right.addWidget(self._make_plan())
        return self._right

    def _make_plan(self) -> QScrollArea:
        """The plan scrolls as a whole if it doesn't fit; its parts are not compressed."""
        plan = QWidget()
        plan.setObjectName("column")
        parts = (self.header, self.figures, grows(self.rows))
        lay_out(plan, *parts, spacing=12, margins_px=(0, 2 * GRID_PX, GAP_PX, 2 * GRID_PX))
        return scrolling(plan)

    def highlight_drop(self, is_on: bool) -> None:
        self.hero.highlight(is_on)
        self.data.highlight(is_on)

    def set_theme(self, theme: Theme) -> None:
        for part in (self.data, self.tiers, self.form, self.hero, self.rows):
            part.set_theme(theme)

    def _show_tiers(self) -> None:
        """Hide the tiers unless the plan uses them or they have a problem."""
        config = self._state.config
        is_flat = learning_method(config) not in (BY_TIERS, CUSTOM)
        is_wrong = any(problem.setting in TIERS for problem in config.problems())
        is_wrong = is_wrong or self._state.plan_failure is not None
        if is_flat and not is_wrong:
            leave_focus(self.tiers)
        self.tiers.setVisible(not is_flat or is_wrong)

    def _show_plan(self) -> None:
        wanted = 0 if self._state.dataset is None else 1
        if self._right.currentIndex() != wanted:
            leave_focus(self._right)
            self._right.setCurrentIndex(wanted)


def _indented(content: QWidget) -> QWidget:
    """Gives the widget the same margins as the scrolling plan."""
    outer = QWidget()
    lay_out(outer, content, margins_px=(0, 2 * GRID_PX, GAP_PX + SCROLL_BAR_PX, 2 * GRID_PX))
    return outer
