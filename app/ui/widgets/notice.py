"""One line across the top of the window for what the user should know and may dismiss."""

from PySide6.QtWidgets import QFrame, QHBoxLayout, QToolButton

from app.ui import icons
from app.ui.theme import Theme
from app.ui.widgets.building import GRID_PX, label


class Notice(QFrame):
    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("notice")
        self.text = label("", "", wraps=True)
        self.dismiss = QToolButton()
        self.dismiss.setAccessibleName("Dismiss this notice")
        self.dismiss.setToolTip("Dismiss")
        self.dismiss.clicked.connect(self.hide)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(3 * GRID_PX, 6, 2 * GRID_PX, 6)
        layout.addWidget(self.text, 1)
        layout.addWidget(self.dismiss)
        self.hide()

    def tell(self, text: str) -> None:
        self.text.setText(text)
        self.setAccessibleName(text)
        self.show()

    def set_theme(self, theme: Theme) -> None:
        self.dismiss.setIcon(icons.icon("remove", theme.secondary_text, 14))
