"""A segment of a segmented control; screen readers see a radio button."""

from PySide6.QtCore import QPoint
from PySide6.QtWidgets import QRadioButton


class RadioSegment(QRadioButton):
    """Drawn without a circle by the style sheet; its whole area is clickable."""

    def hitButton(self, pos: QPoint) -> bool:
        return self.rect().contains(pos)
