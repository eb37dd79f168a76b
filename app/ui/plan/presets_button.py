"""A menu of ready-made tier plans; each entry's tooltip says what the plan does."""

from PySide6.QtGui import QAction
from PySide6.QtWidgets import QMenu, QPushButton

from app.core.config.presets import PRESETS, Preset
from app.core.text.translation import tr
from app.ui.look.plain_text import set_tip
from app.ui.state.app_state import AppState


class PresetsButton(QPushButton):
    """Puts a preset's settings into the state's configuration; ticks the one that is in it."""

    def __init__(self, state: AppState) -> None:
        super().__init__(tr("Preset"))
        self._state = state
        self.setObjectName("menu_link")
        self.setAutoDefault(False)
        self.setAccessibleName(tr("Tier presets"))
        set_tip(self, tr("Fill the tiers with a ready-made plan"))
        self.choices = QMenu(self)
        self.choices.setToolTipsVisible(True)
        self._actions = [(preset, self._entry(preset)) for preset in PRESETS]
        self.setMenu(self.choices)
        state.config_changed.connect(self.refresh)
        self.refresh()

    def refresh(self) -> None:
        for preset, action in self._actions:
            action.setChecked(preset.is_in(self._state.config))

    def _entry(self, preset: Preset) -> QAction:
        made = QAction(tr(preset.title), self)
        made.setCheckable(True)
        set_tip(made, tr(preset.description), is_wrapped=True)
        made.triggered.connect(lambda _=False: self._use(preset))
        self.choices.addAction(made)
        return made

    def _use(self, preset: Preset) -> None:
        self._state.replace_config(preset.applied_to(self._state.config))
        self.refresh()  # a second choice of the same one must not take its tick away
