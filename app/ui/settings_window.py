"""The app's own settings, as ⌘, opens them: appearance, new runs, notifications."""

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QCheckBox, QDialog, QGridLayout, QVBoxLayout, QWidget

from app.ui.appearance import Appearance, Look
from app.ui.away.away import Away
from app.ui.keeping_default import KeepingDefault
from app.ui.widgets.building import GRID_PX, label
from app.ui.widgets.fields import CalmComboBox

_LOOKS = {Look.SYSTEM: "Same as system", Look.LIGHT: "Light", Look.DARK: "Dark"}
_WIDTH_PX = 420


class SettingsWindow(QDialog):
    def __init__(
        self, window: QWidget, appearance: Appearance, keeping: KeepingDefault, away: Away
    ) -> None:
        super().__init__(window)
        self.setWindowTitle("Settings")
        self.setMinimumWidth(_WIDTH_PX)
        self.look = CalmComboBox({look.value: text for look, text in _LOOKS.items()})
        self.look.setAccessibleName("Appearance")
        self.look.choose(appearance.look.value)
        self.look.activated.connect(lambda _: appearance.choose(Look(self.look.currentData())))
        self.keep = QCheckBox("Keep only the best and the last checkpoint")
        self.keep.setChecked(keeping.action.isChecked())
        self.keep.toggled.connect(keeping.action.setChecked)
        keeping.action.toggled.connect(self.keep.setChecked)
        self.notify = QCheckBox("When a run finishes or fails")
        self.notify.setChecked(away.is_notifying)
        self.notify.toggled.connect(away.choose_notifying)
        grid = QGridLayout()
        grid.setHorizontalSpacing(2 * GRID_PX)
        grid.setVerticalSpacing(2 * GRID_PX)
        grid.setColumnStretch(1, 1)
        right = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
        caption = label("Appearance:")
        caption.setBuddy(self.look)
        grid.addWidget(caption, 0, 0, right)
        grid.addWidget(self.look, 0, 1)
        grid.addWidget(label("New runs:"), 1, 0, right)
        grid.addWidget(self.keep, 1, 1)
        note = label("Other checkpoints are removed during the run.", "caption", wraps=True)
        grid.addWidget(note, 2, 1)
        grid.addWidget(label("Notifications:"), 3, 0, right)
        grid.addWidget(self.notify, 3, 1)
        note = label("Only while you use another app.", "caption", wraps=True)
        grid.addWidget(note, 4, 1)
        whole = QVBoxLayout(self)
        whole.setContentsMargins(3 * GRID_PX, 3 * GRID_PX, 3 * GRID_PX, 3 * GRID_PX)
        whole.addLayout(grid)
