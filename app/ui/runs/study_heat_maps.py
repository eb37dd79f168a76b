"""A small heat map for each arm of a study: the accuracy on each task after each task. Reads no
files.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from PySide6.QtCore import QRectF, QSize, Qt
from PySide6.QtGui import QColor, QFont, QPainter, QPaintEvent
from PySide6.QtWidgets import QSizePolicy, QWidget

from app.core.text.translation import decimal, tr
from app.ui.look.theme import LIGHT, Theme
from app.ui.widgets.layouts import GRID_PX

Matrix = Sequence[Sequence[float]]
_SMALL_PX = 11
_GAP_PX, _SIDE_PX, _TITLE_PX, _FOOT_PX = 2, 18, 20, 14
_LARGEST_PX, _WITH_NUMBERS_PX, _SMALLEST_PX = 40, 28, 8
_MAP_PX = 176
"""The width into which a map's cells are fitted, down to a minimum cell size."""
_DARK_FROM = 0.5
"""A cell above this value is so dark that its number is drawn in `on_accent`."""


@dataclass(frozen=True)
class ArmMap:
    name: str
    matrix: Matrix
    """R[i][j] is the accuracy (0 to 1) on task j after training task i."""


class StudyHeatMaps(QWidget):
    """Arranges the maps in as many columns as fit."""

    def __init__(self) -> None:
        super().__init__()
        self._theme = LIGHT
        self.maps: tuple[ArmMap, ...] = ()
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setAccessibleName(tr("Accuracy by task"))

    def show_maps(self, maps: Sequence[ArmMap]) -> None:
        self.maps = tuple(maps)
        self.setAccessibleDescription("; ".join(map(_in_words, self.maps)))
        self.updateGeometry()
        self.update()

    def set_theme(self, theme: Theme) -> None:
        self._theme = theme
        self.update()

    def hasHeightForWidth(self) -> bool:
        return True

    def heightForWidth(self, width: int) -> int:
        lines = -(-len(self.maps) // self._per_line(width))
        return max(1, lines * self._map_height)

    def sizeHint(self) -> QSize:
        return QSize(400, self.heightForWidth(max(400, self.width())))

    @property
    def _tasks(self) -> int:
        return max((len(one.matrix) for one in self.maps), default=1)

    @property
    def _cell(self) -> int:
        return min(_LARGEST_PX, max(_SMALLEST_PX, _MAP_PX // self._tasks))

    @property
    def _map_width(self) -> int:
        return max(_SIDE_PX + self._tasks * self._cell, _MAP_PX) + 3 * GRID_PX

    @property
    def _map_height(self) -> int:
        return _TITLE_PX + self._tasks * self._cell + _FOOT_PX + 2 * GRID_PX

    def _per_line(self, width: int) -> int:
        return max(1, width // self._map_width)

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: ARG002
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        font = QFont(self.font())
        font.setPixelSize(_SMALL_PX)
        painter.setFont(font)
        per_line = self._per_line(self.width())
        for number, one in enumerate(self.maps):
            line, at = divmod(number, per_line)
            painter.save()
            painter.translate(at * self._map_width, line * self._map_height)
            self._paint(painter, one)
            painter.restore()

    def _paint(self, painter: QPainter, one: ArmMap) -> None:
        cell, theme = self._cell, self._theme
        painter.setPen(QColor(theme.text))
        room = self._map_width - 2 * GRID_PX
        name = painter.fontMetrics().elidedText(one.name, Qt.TextElideMode.ElideRight, room)
        left = Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter
        painter.drawText(QRectF(0, 0, room, _TITLE_PX), left, name)
        center = Qt.AlignmentFlag.AlignCenter
        for i, row in enumerate(one.matrix):
            top = _TITLE_PX + i * cell
            painter.setPen(QColor(theme.secondary_text))
            if cell >= _SMALL_PX:
                painter.drawText(QRectF(0, top, _SIDE_PX - 4, cell), center, str(i + 1))
            for j, value in enumerate(row):
                place = QRectF(_SIDE_PX + j * cell, top, cell - _GAP_PX, cell - _GAP_PX)
                painter.setPen(Qt.PenStyle.NoPen)
                painter.setBrush(_mixed(theme.raised, theme.accent, value))
                painter.drawRoundedRect(place, 3, 3)
                if cell >= _WITH_NUMBERS_PX:
                    is_strong = value > _DARK_FROM
                    painter.setPen(QColor(theme.on_accent if is_strong else theme.text))
                    painter.drawText(place, center, f"{100 * value:.0f}")
        painter.setPen(QColor(theme.secondary_text))
        if cell >= _SMALL_PX:
            foot = _TITLE_PX + len(one.matrix) * cell
            for j in range(len(one.matrix)):
                place = QRectF(_SIDE_PX + j * cell, foot, cell - _GAP_PX, _FOOT_PX - 4)
                painter.drawText(place, center, str(j + 1))


def _mixed(low: str, high: str, share: float) -> QColor:
    first, second, share = QColor(low), QColor(high), min(1.0, max(0.0, share))
    parts = zip(first.getRgb()[:3], second.getRgb()[:3], strict=True)  # type: ignore[index]
    return QColor(*(round(a + (b - a) * share) for a, b in parts))


def _in_words(one: ArmMap) -> str:
    rows = (", ".join(decimal(f"{value:.2f}") for value in row) for row in one.matrix)
    after = (tr("after task {n}: {values}", n=n, values=row) for n, row in enumerate(rows, start=1))
    return f"{one.name}: {'; '.join(after)}"
