"""Whether new runs keep only their best and last checkpoint, unless they say otherwise."""

from PySide6.QtCore import QObject
from PySide6.QtGui import QAction

from app.core.config.evaluation import CheckpointRetention
from app.core.config.learning_methods import LEARN_AND_KEEP, with_learning_method
from app.core.config.training_config import TrainingConfig
from app.core.text.translation import tr
from app.ui.look.plain_text import set_tip
from app.ui.state.app_state import AppState
from app.ui.system.stored_preferences import Preferences

_KEY = "training/keep_checkpoints"
LEAN: CheckpointRetention = "best-and-last"


def default_config(settings: Preferences) -> TrainingConfig:
    """Learn and keep, with the checkpoints that the user keeps of all new runs."""
    is_lean = settings.value(_KEY) == LEAN
    plan = TrainingConfig(keep_checkpoints=LEAN if is_lean else "all")
    return with_learning_method(plan, LEARN_AND_KEEP)


class RetentionDefault(QObject):
    """A choice in the menu, for the settings on the Train page and for all that follow."""

    def __init__(self, state: AppState, settings: Preferences) -> None:
        super().__init__(state)
        self._state, self._settings = state, settings
        self.action = QAction(tr("Keep Only Best and Last Checkpoints"), self)
        self.action.setCheckable(True)
        self.action.setChecked(settings.value(_KEY) == LEAN)
        set_tip(
            self.action, tr("Applies to new runs: other checkpoints are removed during the run.")
        )
        self.action.toggled.connect(self._choose)

    def _choose(self, is_lean: bool) -> None:
        keep: CheckpointRetention = LEAN if is_lean else "all"
        self._settings.set(_KEY, keep)
        self._state.change_config(keep_checkpoints=keep)
