"""Edits the tiers: their number and periods, and how parameters are assigned to them; with a menu
of presets.
"""

from PySide6.QtGui import QAction
from PySide6.QtWidgets import QLineEdit, QMenu, QWidget

from app.core.config.presets import PRESETS, Preset
from app.core.config.tiers import MAX_PERIOD, MAX_TIERS
from app.core.config.training_config import CHOICES, TierConfig, config_field
from app.core.text.sentences import localized
from app.core.text.translation import tr
from app.ui.look import formatting
from app.ui.look.plain_text import set_tip
from app.ui.look.theme import LIGHT, Theme
from app.ui.plan.setting_field import SettingField
from app.ui.plan.tier_row import TierRow
from app.ui.state.app_state import AppState
from app.ui.widgets.basic_widgets import CardFrame, PushButton, button, label, message, say
from app.ui.widgets.calm_inputs import CalmComboBox
from app.ui.widgets.layouts import column, fill, grows, row

PATTERNS = "q_proj=0, self_attn=1, *=2"
"""The placeholder for patterns: an example that leaves parameters for each of three tiers."""


class TierEditor(CardFrame):
    """Writes the state's tiers, `assign` and `fastest_first`, and shows the state's preview."""

    def __init__(self, state: AppState) -> None:
        super().__init__()
        self._state = state
        self._theme = LIGHT
        self.rows: list[TierRow] = []
        self.add = button(tr("Add Tier"), self._add, "link")
        self.presets = PresetsButton(state)
        self._rows = column(spacing=4)
        self.problem = message("problem")
        assignments = {v: formatting.ASSIGNMENTS[v] for v in CHOICES["assign"]}
        self.assign = CalmComboBox(assignments, tr("Assignment of parameters to tiers"))
        self.fastest_first = CalmComboBox(
            dict.fromkeys(CHOICES["fastest_first"], ""), tr("Fastest end")
        )
        set_tip(
            self.fastest_first, tr(config_field("fastest_first").metadata["help"]), is_wrapped=True
        )
        self.patterns = SettingField("tier_patterns", state, is_wide=True)
        if isinstance(self.patterns.control, QLineEdit):
            self.patterns.control.setPlaceholderText(PATTERNS)
        self.batches = SettingField("calibration_batches", state)
        head = row(label(tr("Tiers"), "heading"), None, self.presets, self.add)
        choices = row(grows(self.assign, 4), grows(self.fastest_first, 5))
        fill(self.inside, head, self._rows, self.problem, choices, self.patterns, self.batches)
        self.assign.activated.connect(
            lambda _: state.change_config(assign=self.assign.currentData())
        )
        self.fastest_first.activated.connect(
            lambda _: state.change_config(fastest_first=self.fastest_first.currentData())
        )
        state.config_changed.connect(self.refresh)
        state.preview_changed.connect(self.show_preview)
        self.refresh()

    def set_theme(self, theme: Theme) -> None:
        self._theme = theme
        for tier_row in self.rows:
            tier_row.set_theme(theme)

    def refresh(self) -> None:
        config = self._state.config
        while len(self.rows) < len(config.tiers):
            self._append_row()
        while len(self.rows) > len(config.tiers):
            self._drop_row()
        for tier_row, tier in zip(self.rows, config.tiers, strict=True):
            tier_row.show_tier(tier, is_only=len(config.tiers) == 1)
        self.add.setEnabled(len(config.tiers) < MAX_TIERS)
        most = tr("At most {n} are allowed.", n=MAX_TIERS)
        set_tip(self.add, "" if self.add.isEnabled() else most)
        self.assign.choose(config.assign)
        ends = formatting.FAST_ENDS.get(config.assign, {})
        self.fastest_first.setVisible(bool(ends))
        for index, value in enumerate(CHOICES["fastest_first"]):
            self.fastest_first.setItemText(index, ends.get(value, ""))
        self.fastest_first.choose(config.fastest_first)
        self.patterns.setVisible(config.assign == "manual")
        self.batches.setVisible(config.assign == "importance")
        self.show_preview()

    def show_preview(self) -> None:
        """Show each tier's parameters if they are known for these tiers, or the problem."""
        problems = [p.message for p in self._state.config.problems() if p.setting == "tiers"]
        if failure := self._state.plan_failure:
            problems.append(localized(str(failure)))
        say(self.problem, problems[0] if problems else "")
        known = self._state.preview
        if known is not None and len(known) != len(self.rows):
            known = None
        for index, tier_row in enumerate(self.rows):
            if failure or problems:
                tier_row.show_nothing()
            else:
                tier_row.show_facts(known[index] if known else None)

    def _append_row(self) -> None:
        made = TierRow(len(self.rows))
        made.set_theme(self._theme)
        made.edited.connect(self._take_rows)
        made.remove_requested.connect(lambda: self._remove(made))
        self.rows.append(made)
        self._rows.addWidget(made)
        before: QWidget = self.add
        for control in (*(part for one in self.rows for part in one.controls), self.assign):
            self.setTabOrder(before, control)  # in reading order
            before = control

    def _drop_row(self) -> None:
        gone = self.rows.pop()
        self._rows.removeWidget(gone)
        gone.hide()
        gone.deleteLater()

    def _take_rows(self) -> None:
        self._state.change_config(tiers=tuple(tier_row.tier for tier_row in self.rows))

    def _add(self) -> None:
        tiers = self._state.config.tiers
        period = min(2 * tiers[-1].period, MAX_PERIOD) if tiers else 1
        self._state.change_config(tiers=(*tiers, TierConfig(period)))

    def _remove(self, tier_row: TierRow) -> None:
        index = self.rows.index(tier_row)
        tiers = self._state.config.tiers
        self._state.change_config(tiers=tiers[:index] + tiers[index + 1 :])


class PresetsButton(PushButton):
    """A menu of presets: applies one to the state's configuration, and checks the one in use."""

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
        self.refresh()  # choosing the same preset again must not uncheck it
