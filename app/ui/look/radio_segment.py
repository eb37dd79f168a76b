"""One of several that stand side by side or below each other, of which one is on: a radio button to
screen readers, however it is drawn.
"""

from PySide6.QtCore import QPoint
from PySide6.QtWidgets import QRadioButton


class RadioSegment(QRadioButton):
    """The style sheet draws it without a radio button's circle; all of it can be clicked."""

    def hitButton(self, pos: QPoint) -> bool:
        return self.rect().contains(pos)
