"""Buttons side by side, some at the left and some at the right; in lines where they don't fit."""

from collections.abc import Iterator, Sequence

from PySide6.QtCore import QRect, QSize, Qt
from PySide6.QtWidgets import QLayout, QLayoutItem, QWidget

from app.ui.widgets.building_blocks import GRID_PX


class WrappingRow(QLayout):
    """As high as the lines that its width asks for; hidden widgets take no room."""

    def __init__(self, left: Sequence[QWidget], right: Sequence[QWidget] = ()) -> None:
        super().__init__()
        self.setContentsMargins(0, 0, 0, 0)
        self.setSpacing(GRID_PX)
        self._items: list[QLayoutItem] = []
        self._right = frozenset(right)
        for part in (*left, *right):
            self.addWidget(part)

    def addItem(self, item: QLayoutItem) -> None:
        self._items.append(item)

    def count(self) -> int:
        return len(self._items)

    def itemAt(self, index: int) -> QLayoutItem | None:
        return self._items[index] if 0 <= index < len(self._items) else None

    def takeAt(self, index: int) -> QLayoutItem | None:
        return self._items.pop(index) if 0 <= index < len(self._items) else None

    def expandingDirections(self) -> Qt.Orientation:
        return Qt.Orientation.Horizontal

    def hasHeightForWidth(self) -> bool:
        return True

    def heightForWidth(self, width: int) -> int:
        lines = list(self._lines(width))
        heights = sum(max(item.sizeHint().height() for item in line) for line in lines)
        return heights + self.spacing() * max(0, len(lines) - 1)

    def sizeHint(self) -> QSize:
        sizes = [item.sizeHint() for item in self._shown()]
        width = sum(size.width() + self.spacing() for size in sizes) - self.spacing()
        return QSize(max(0, width), max((size.height() for size in sizes), default=0))

    def minimumSize(self) -> QSize:
        sizes = [item.sizeHint() for item in self._shown()]
        return QSize(
            max((size.width() for size in sizes), default=0),
            max((size.height() for size in sizes), default=0),
        )

    def setGeometry(self, rect: QRect) -> None:
        super().setGeometry(rect)
        lines, top = list(self._lines(rect.width())), rect.top()
        for line in lines:
            widths = [item.sizeHint().width() for item in line]
            left = rect.left()
            spare = rect.width() - sum(widths) - self.spacing() * (len(line) - 1)
            for item, width in zip(line, widths, strict=True):
                if len(lines) == 1 and item.widget() in self._right:
                    left, spare = left + spare, 0
                item.setGeometry(QRect(left, top, width, item.sizeHint().height()))
                left += width + self.spacing()
            top += max(item.sizeHint().height() for item in line) + self.spacing()

    def _shown(self) -> list[QLayoutItem]:
        return [item for item in self._items if not item.isEmpty()]

    def _lines(self, width: int) -> Iterator[list[QLayoutItem]]:
        line: list[QLayoutItem] = []
        taken = 0
        for item in self._shown():
            wanted = item.sizeHint().width()
            if line and taken + wanted > width:
                yield line
                line, taken = [], 0
            line.append(item)
            taken += wanted + self.spacing()
        if line:
            yield line
