"""The form of the training settings: the most important ones, and the others under Advanced."""

from collections.abc import Iterator
from dataclasses import fields

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QWidget

from app.core.config.training_config import TrainingConfig
from app.core.text.translation import tr
from app.ui.look.plain_text import set_tip
from app.ui.look.theme import Theme
from app.ui.plan.setting_field import FilesField, SettingField
from app.ui.state.app_state import AppState
from app.ui.system.stored_preferences import Preferences
from app.ui.widgets.basic_widgets import CardFrame, Disclosure, button, label
from app.ui.widgets.layouts import GRID_PX, column, row

HEADINGS = {
    "clocks": tr("Clocks"),
    "training": tr("Optimization"),
    "adapter": tr("Adapter"),
    "watching": tr("Validation and checkpoints"),
    "tiers": tr("Tiers"),
}
"""The headings under Advanced, by section of the configuration."""
FORM_SECTIONS = ("training", "clocks", "adapter", "watching")
FILES_BEFORE = {
    "lasting_pull": "slow_text",
    "eval_questions": "eval_sets",
    "measure_forgetting": "retention_set",
}
"""Settings with files, by the setting that they are placed above."""
NO_FILES = {
    "slow_text": tr("Everyday chats included with Nestling"),
    "eval_sets": tr("None: no questions are asked"),
    "retention_set": tr("None"),
}
SECTIONS = {field.name: field.metadata["section"] for field in fields(TrainingConfig)}
IN_SIGHT = ("steps", "batch_size", "learning_rate", "max_seq_length", "rank", "mask_prompt")


class SettingsForm(CardFrame):
    """Built from the fields of TrainingConfig, so a new field appears without a change here."""

    defaults_requested = Signal()
    files_requested = Signal(str)
    """Argument: the name of a setting with files."""

    def __init__(self, state: AppState, settings: Preferences) -> None:
        super().__init__()
        self._state = state
        self.defaults = button(tr("Restore Defaults"), self.defaults_requested.emit, "link")
        set_tip(self.defaults, tr("Restore the defaults of all settings except data and model"))
        self.inside.addLayout(row(label(tr("Training"), "heading"), None, self.defaults))
        self.fields = {name: SettingField(name, state) for name in (*IN_SIGHT, *_advanced())}
        self.files = {name: FilesField(name, state, words) for name, words in NO_FILES.items()}
        for name in IN_SIGHT:
            self.inside.addWidget(self.fields[name])
        folded = QWidget()
        folded.setLayout(column(*self._folded(), spacing=GRID_PX))
        for field in self.files.values():
            field.choose_requested.connect(self.files_requested)
        self.advanced = Disclosure(tr("Advanced"), folded, settings, "advanced")
        self.inside.addSpacing(GRID_PX // 2)
        self.inside.addWidget(self.advanced)
        state.config_changed.connect(self._unfold_problem)

    def set_theme(self, theme: Theme) -> None:
        self.advanced.set_theme(theme)

    def _folded(self) -> Iterator[QWidget]:
        section = ""
        for name in _advanced():
            if section != (section := SECTIONS[name]):
                yield label(HEADINGS[section], "strong")
            if name in FILES_BEFORE:
                yield self.files[FILES_BEFORE[name]]
            yield self.fields[name]

    def _unfold_problem(self) -> None:
        """Open Advanced if one of its settings has a problem."""
        folded = {*_advanced(), *self.files}
        if any(problem.setting in folded for problem in self._state.config.problems()):
            self.advanced.toggle.setChecked(True)


def _advanced() -> tuple[str, ...]:
    """The settings under Advanced, in the order of the configuration."""
    rest = (f for f in fields(TrainingConfig) if f.metadata["section"] in FORM_SECTIONS)
    return (*(f.name for f in rest if f.name not in IN_SIGHT), "pending")
