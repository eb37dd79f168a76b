"""Saves and restores the plan of the next run, resets it to defaults, and sets which checkpoints
new runs keep.
"""

import json
from dataclasses import replace
from typing import Any

from PySide6.QtCore import QObject, QTimer, Signal, Slot
from PySide6.QtGui import QAction

from app.core.config.evaluation import CheckpointRetention
from app.core.config.learning_methods import (
    CUSTOM,
    LEARN_AND_KEEP,
    learning_method,
    with_learning_method,
)
from app.core.config.presets import demo_config
from app.core.config.serialization import to_dict, with_settings
from app.core.config.training_config import TrainingConfig
from app.core.errors import AppError
from app.core.files.strict_parsing import parse_json
from app.core.text.translation import tr
from app.ui.look.plain_text import set_tip
from app.ui.state.app_state import AppState
from app.ui.system.stored_preferences import Preferences

_KEY = "training/keep_checkpoints"
LEAN: CheckpointRetention = "best-and-last"


def default_config(settings: Preferences) -> TrainingConfig:
    """Learn and keep, with the user's default for keeping checkpoints."""
    is_lean = settings.value(_KEY) == LEAN
    plan = TrainingConfig(keep_checkpoints=LEAN if is_lean else "all")
    return with_learning_method(plan, LEARN_AND_KEEP)


class RetentionDefault(QObject):
    """A menu item for the default of new runs; it also changes the current plan."""

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


_PLAN, _BEFORE_SAMPLE = "plan/settings", "plan/before_sample"
_DELAY_MS = 300
KEPT_BY_DEFAULTS = ("data", "valid", "columns", "mix", "model", "adapter", "eval_sets",
                   "retention_set", "name")  # fmt: skip
"""The settings that define a run's data and model; restoring defaults keeps them."""
_OF_THE_DATA = ("data", "valid", "columns", "mix", "eval_sets", "name")


def remembered_plan(settings: Preferences) -> TrainingConfig | None:
    """The saved plan of the last session; None if there is none or it can't be read."""
    return _read(settings, _PLAN)


def restored_defaults(config: TrainingConfig, settings: Preferences) -> TrainingConfig:
    """The default settings with the same data and model."""
    kept = {name: getattr(config, name) for name in KEPT_BY_DEFAULTS}
    return replace(default_config(settings), **kept)


class PlanMemory(QObject):
    """Saves the plan after changes. Restores the earlier settings when the sample data is
    replaced.
    """

    sample_left = Signal()
    """Settings that came with the sample data were undone."""

    def __init__(self, state: AppState, settings: Preferences) -> None:
        super().__init__(state)
        self._state, self._settings = state, settings
        self._before = _read(settings, _BEFORE_SAMPLE)
        """The plan before the sample data; None if the plan doesn't use the sample data."""
        self._timer = QTimer(self, interval=_DELAY_MS, singleShot=True)
        self._timer.timeout.connect(self.write)
        state.config_changed.connect(self._follow)

    @Slot()
    def write(self) -> None:
        """Save the plan now."""
        self._timer.stop()
        _write(self._settings, _PLAN, self._state.config)
        _write(self._settings, _BEFORE_SAMPLE, self._before)

    def use_sample(self) -> None:
        before = self._before or self._state.config
        self._state.replace_config(demo_config())
        self._before = before

    def left_sample(self, **changes: Any) -> TrainingConfig:
        """The plan with changed data or model. Settings that still have the sample's values get
        their earlier values; others are kept. If the user has changed the learning method, its own
        rate is used.
        """
        config, before, demo = self._state.config, self._before, demo_config()
        if before is None:
            return replace(config, **changes)
        if (method := learning_method(config)) not in (learning_method(demo), CUSTOM):
            before = with_learning_method(before, method)
        kept = () if "data" in changes else _OF_THE_DATA
        undone = {
            name: getattr(before, name)
            for name in vars(demo)
            if name not in kept and getattr(config, name) == getattr(demo, name)
            if getattr(before, name) != getattr(demo, name)
        }
        self._before = None
        if set(undone) - set(_OF_THE_DATA) - {"model"}:
            self.sample_left.emit()
        return replace(config, **{**undone, **changes})

    def _follow(self) -> None:
        if self._before is not None and self._state.config.data != demo_config().data:
            self._before = None  # the plan was replaced, so nothing must be restored
        self._timer.start()


def _read(settings: Preferences, key: str) -> TrainingConfig | None:
    text = settings.text(key)
    if not text:
        return None
    try:
        return with_settings(TrainingConfig(), parse_json(text), where="the remembered plan")
    except (AppError, ValueError, AttributeError, TypeError):
        return None


def _write(settings: Preferences, key: str, config: TrainingConfig | None) -> None:
    """Save a plan, unless it has a number that is not finite."""
    try:
        text = "" if config is None else json.dumps(to_dict(config), allow_nan=False)
    except ValueError:
        return
    settings.set(key, text)
