"""One line across the top of the window for what the user should know and may dismiss."""

from collections.abc import Callable

from PySide6.QtCore import Slot
from PySide6.QtWidgets import QFrame, QHBoxLayout, QToolButton

from app.core.one_line import one_line
from app.ui import icons
from app.ui.plain_text import set_tip
from app.ui.theme import Theme
from app.ui.widgets.building import GRID_PX, LEAST_WRAPPED_PX, button, label

MOST_WORDS = 600


class Notice(QFrame):
    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("notice")
        self._is_lasting = False
        self._act: Callable[[], None] | None = None
        self.text = label("", "", wraps=True)
        self.text.setMinimumWidth(LEAST_WRAPPED_PX)
        self.action = button("", self._do)
        self.action.setAccessibleName("Do what the notice offers")
        self.dismiss = QToolButton()
        self.dismiss.setAccessibleName("Dismiss this notice")
        set_tip(self.dismiss, "Dismiss")
        self.dismiss.clicked.connect(self.hide)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(3 * GRID_PX, 6, 2 * GRID_PX, 6)
        layout.addWidget(self.text, 1)
        layout.addWidget(self.action)
        layout.addWidget(self.dismiss)
        self.hide()

    def tell(
        self,
        text: str,
        action: str = "",
        act: Callable[[], None] | None = None,
        *,
        is_lasting: bool = False,
    ) -> None:
        """Show a sentence, and a button if something can be done about it at once.

        A lasting one stays until it is dismissed or another takes its place.
        """
        self._is_lasting = is_lasting
        self._act = act
        sentence = one_line(text, MOST_WORDS)
        self.text.setText(sentence)
        self.setAccessibleName(sentence)
        self.action.setText(action)
        self.action.setAccessibleName(action or "Do what the notice offers")
        self.action.setVisible(act is not None)
        self.show()

    @Slot()
    def leave(self) -> None:
        """What was told is out of date, unless it is to last."""
        if not self._is_lasting:
            self.hide()

    def set_theme(self, theme: Theme) -> None:
        self.dismiss.setIcon(icons.icon("remove", theme.secondary_text, 14))

    def _do(self) -> None:
        self.hide()
        if self._act is not None:
            self._act()
