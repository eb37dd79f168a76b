"""The Dock icon of a Mac: shows the run's progress, and the number of ended runs not seen yet.

Qt has no API for Dock progress, but it sets the Dock icon to the application's icon.
"""

from PySide6.QtCore import QObject, QRectF, Qt
from PySide6.QtGui import QColor, QGuiApplication, QIcon, QPainter, QPixmap

from app.ui.look.theme import DARK

SIDE_PX = 256
_BAR = QRectF(28, 188, 200, 26)
_STEPS = 40
"""The number of lengths of the bar; each change sets a new Dock icon."""


class Dock(QObject):
    def __init__(self, application: QGuiApplication, icon: QIcon) -> None:
        super().__init__(application)
        self._application, self._icon = application, icon
        self._shown: int | None = None

    def show_progress(self, share: float | None) -> None:
        """Show a progress bar on the icon; None shows the icon alone."""
        length = None if share is None else round(share * _STEPS)
        if length != self._shown:
            self._shown = length
            with_bar = self._icon if length is None else _drawn(self._icon, length / _STEPS)
            self._application.setWindowIcon(with_bar)

    def show_count(self, count: int) -> None:
        self._application.setBadgeNumber(count)


def _drawn(icon: QIcon, share: float) -> QIcon:
    picture = QPixmap(SIDE_PX, SIDE_PX)
    picture.fill(Qt.GlobalColor.transparent)
    painter = QPainter(picture)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    icon.paint(painter, picture.rect())
    painter.setPen(Qt.PenStyle.NoPen)
    radius = _BAR.height() / 2
    painter.setBrush(QColor(DARK.window))
    painter.drawRoundedRect(_BAR, radius, radius)
    inside = _BAR.adjusted(4, 4, -4, -4)
    inside.setWidth(max(inside.height(), inside.width() * share))
    painter.setBrush(QColor(DARK.accent))
    painter.drawRoundedRect(inside, inside.height() / 2, inside.height() / 2)
    painter.end()
    return QIcon(picture)
