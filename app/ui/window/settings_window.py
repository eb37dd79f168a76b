"""The Settings window: appearance, language, defaults of new runs, notifications."""

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QCheckBox, QDialog, QGridLayout, QLayout, QWidget

from app.core.text.translation import LANGUAGES, tr
from app.ui.desktop.desktop_status import DesktopStatus
from app.ui.state.plan_memory import RetentionDefault
from app.ui.system.language import KEY as LANGUAGE_KEY
from app.ui.system.stored_preferences import Preferences
from app.ui.system.theme_controller import Look, ThemeController
from app.ui.widgets.basic_widgets import label
from app.ui.widgets.calm_inputs import CalmComboBox
from app.ui.widgets.layouts import GRID_PX, column

_LOOKS = {Look.SYSTEM: tr("Same as system"), Look.LIGHT: tr("Light"), Look.DARK: tr("Dark")}
_CONTROL_PX = 260
_RIGHT = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter


class SettingsWindow(QDialog):
    def __init__(
        self,
        window: QWidget,
        settings: Preferences,
        appearance: ThemeController,
        retention: RetentionDefault,
        desktop_status: DesktopStatus,
    ) -> None:
        super().__init__(window)
        self.setWindowTitle(tr("Settings"))
        self.look = CalmComboBox(
            {look.value: text for look, text in _LOOKS.items()}, tr("Appearance")
        )
        self.look.choose(appearance.look.value)
        self.look.activated.connect(lambda _: appearance.choose(Look(self.look.currentData())))
        languages = {"": tr("Same as system"), **LANGUAGES}
        self.language = CalmComboBox(languages, tr("Language"))
        self.language.choose(settings.text(LANGUAGE_KEY))
        self.language.activated.connect(
            lambda _: settings.set(LANGUAGE_KEY, self.language.currentData())
        )
        self.keep = QCheckBox(tr("Keep only the best and the last checkpoint"))
        self.keep.setChecked(retention.action.isChecked())
        self.keep.toggled.connect(retention.action.setChecked)
        retention.action.toggled.connect(self.keep.setChecked)
        self.notify = QCheckBox(tr("When a run finishes or fails"))
        self.notify.setChecked(desktop_status.is_notifying)
        self.notify.toggled.connect(desktop_status.choose_notifying)
        grid = QGridLayout()
        grid.setHorizontalSpacing(2 * GRID_PX)
        grid.setVerticalSpacing(GRID_PX // 2)
        grid.setColumnMinimumWidth(1, _CONTROL_PX)
        self._grid = grid
        self._add(tr("Appearance:"), self.look)
        self._add(tr("Language:"), self.language, tr("Takes effect when you reopen Nestling."))
        self._add(tr("New runs:"), self.keep, tr("Other checkpoints are removed during the run."))
        self._add(tr("Notifications:"), self.notify, tr("Only while you use another app."))
        whole = column(grid, margins_px=(3 * GRID_PX, 3 * GRID_PX, 3 * GRID_PX, 3 * GRID_PX))
        self.setLayout(whole)
        whole.setSizeConstraint(QLayout.SizeConstraint.SetFixedSize)

    def _add(self, caption: str, control: QWidget, note: str = "") -> None:
        """Add a setting with a note below it."""
        grid, row = self._grid, self._grid.rowCount() + 1
        grid.setRowMinimumHeight(row - 1, GRID_PX)
        beside = label(caption)
        beside.setBuddy(control)
        grid.addWidget(beside, row, 0, _RIGHT)
        grid.addWidget(control, row, 1)
        if note:
            grid.addWidget(label(note, "caption", wraps=True), row + 1, 1)
