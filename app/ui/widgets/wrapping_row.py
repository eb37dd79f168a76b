"""A layout for buttons, some at the left and some at the right, that wraps into lines if needed."""

from collections.abc import Iterator, Sequence

from PySide6.QtCore import QRect, QSize, Qt
from PySide6.QtWidgets import QLayout, QLayoutItem, QWidget

from app.ui.widgets.layouts import GRID_PX


class WrappingRow(QLayout):
    """Its height depends on its width; hidden widgets take no space.

    A widget that can shrink, such as a name, shrinks before a line wraps.
    """

    def __init__(self, left: Sequence[QWidget], right: Sequence[QWidget] = ()) -> None:
        super().__init__()
        self._heights: dict[int, int] = {}
        """Heights by width, cached because Qt asks hundreds of times while a window is built."""
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

    def invalidate(self) -> None:
        self._heights.clear()
        super().invalidate()

    def heightForWidth(self, width: int) -> int:
        if width not in self._heights:
            lines = list(self._lines(width))
            heights = sum(max(item.sizeHint().height() for item in line) for line in lines)
            self._heights[width] = heights + self.spacing() * max(0, len(lines) - 1)
        return self._heights[width]

    def sizeHint(self) -> QSize:
        sizes = [item.sizeHint() for item in self._shown()]
        width = sum(size.width() + self.spacing() for size in sizes) - self.spacing()
        return QSize(max(0, width), max((size.height() for size in sizes), default=0))

    def minimumSize(self) -> QSize:
        width = max((item.minimumSize().width() for item in self._shown()), default=0)
        return QSize(width, self.sizeHint().height())

    def setGeometry(self, rect: QRect) -> None:
        super().setGeometry(rect)
        top = rect.top()
        for line in self._lines(rect.width()):
            widths = self._widths(line, rect.width())
            height = max(item.sizeHint().height() for item in line)
            left = rect.left()
            spare = rect.width() - sum(widths) - self.spacing() * (len(line) - 1)
            for item, width in zip(line, widths, strict=True):
                if item.widget() in self._right:
                    left, spare = left + spare, 0
                own = item.sizeHint().height()
                item.setGeometry(QRect(left, top + (height - own) // 2, width, own))
                left += width + self.spacing()
            top += height + self.spacing()

    def _widths(self, line: list[QLayoutItem], room: int) -> list[int]:
        """The size hints' widths. If the line is too long, items shrink to their minimum."""
        widths = [item.sizeHint().width() for item in line]
        missing = sum(widths) + self.spacing() * (len(line) - 1) - room
        for place, item in enumerate(line):
            shrinkage = max(0, min(missing, widths[place] - item.minimumSize().width()))
            widths[place] -= shrinkage
            missing -= shrinkage
        return widths

    def _shown(self) -> list[QLayoutItem]:
        return [item for item in self._items if not item.isEmpty()]

    def _lines(self, width: int) -> Iterator[list[QLayoutItem]]:
        """All items in one line if they fit, else the lines of the left items, then those of the
        right ones.
        """
        shown = self._shown()
        if self._least(shown) <= width:
            groups = [shown]
        else:
            groups = [
                [item for item in shown if (item.widget() in self._right) is is_right]
                for is_right in (False, True)
            ]
        for group in groups:
            line: list[QLayoutItem] = []
            for item in group:
                if line and self._least([*line, item]) > width:
                    yield line
                    line = []
                line.append(item)
            if line:
                yield line

    def _least(self, line: Sequence[QLayoutItem]) -> int:
        widths = (item.minimumSize().width() for item in line)
        return sum(widths) + self.spacing() * (len(line) - 1)
