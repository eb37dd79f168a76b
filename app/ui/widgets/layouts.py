"""How the parts of a page are arranged: rows, columns, what scrolls, the order of the Tab key."""

from collections.abc import Iterator
from itertools import pairwise
from typing import TypeAlias

from PySide6.QtCore import Qt
from PySide6.QtWidgets import (
    QBoxLayout,
    QFrame,
    QHBoxLayout,
    QLayout,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from app.ui.look.plain_text import ElidedLabel
from app.ui.look.stylesheet import SCROLL_BAR_PX

GRID_PX = 8
"""Every distance is a multiple or a half of this."""
Part: TypeAlias = QWidget | QLayout | tuple[QWidget | QLayout, int] | int | None
Margins: TypeAlias = tuple[int, int, int, int]
_NO_MARGINS: Margins = (0, 0, 0, 0)
AROUND_PAGE_PX: Margins = (3 * GRID_PX, 2 * GRID_PX, 3 * GRID_PX, 2 * GRID_PX)
AROUND_SCROLLING_PX: Margins = (3 * GRID_PX, 2 * GRID_PX, 3 * GRID_PX - SCROLL_BAR_PX, 2 * GRID_PX)
"""The bar of what scrolls lies in the page's margin; all else stands `beside_a_bar`, so that all
parts of a page end at one edge."""


def row(*parts: Part, spacing: int = GRID_PX, margins_px: Margins = _NO_MARGINS) -> QHBoxLayout:
    """Parts side by side; a text that may be cut takes what is left."""
    made = QHBoxLayout()
    made.setContentsMargins(*margins_px)
    made.setSpacing(spacing)
    fill(made, *(grows(part) if isinstance(part, ElidedLabel) else part for part in parts))
    return made


def column(*parts: Part, spacing: int = GRID_PX, margins_px: Margins = _NO_MARGINS) -> QVBoxLayout:
    """Parts one below the other."""
    made = QVBoxLayout()
    made.setContentsMargins(*margins_px)
    made.setSpacing(spacing)
    fill(made, *parts)
    return made


def lay_out(
    widget: QWidget, *parts: Part, spacing: int = GRID_PX, margins_px: Margins = _NO_MARGINS
) -> None:
    """Fill a widget with parts, one below the other."""
    widget.setLayout(column(*parts, spacing=spacing, margins_px=margins_px))


def fill(made: QBoxLayout, *parts: Part) -> None:
    """An int is a gap in pixels, None takes what is left."""
    for part in parts:
        if part is None:
            made.addStretch(1)
        elif isinstance(part, int):
            made.addSpacing(part)
        else:
            placed, share = part if isinstance(part, tuple) else (part, 0)
            if isinstance(placed, QLayout):
                made.addLayout(placed, share)
            else:
                made.addWidget(placed, share)


def clear(layout: QLayout) -> None:
    """Take all widgets out, which are out of sight at once and gone a little later."""
    while (item := layout.takeAt(0)) is not None:
        if (part := item.widget()) is not None:
            part.hide()
            part.deleteLater()


def grows(part: QWidget | QLayout, share: int = 1) -> tuple[QWidget | QLayout, int]:
    """Has a part of a row or a column take its share of what is left."""
    return part, share


def order_as_read(part: QWidget) -> None:
    """Has the Tab key go through a part in the order of its layouts, whichever was made first."""
    for before, after in pairwise(_as_read(part)):
        QWidget.setTabOrder(before, after)


def _as_read(part: QWidget) -> Iterator[QWidget]:
    if part.focusPolicy() & Qt.FocusPolicy.TabFocus:
        yield part
    if isinstance(part, QScrollArea) and (content := part.widget()) is not None:
        yield from _as_read(content)
    elif (layout := part.layout()) is not None:
        yield from _in_layout(layout)


def _in_layout(layout: QLayout) -> Iterator[QWidget]:
    for index in range(layout.count()):
        item = layout.itemAt(index)
        if item is not None and (part := item.widget()) is not None:
            yield from _as_read(part)
        elif item is not None and (inner := item.layout()) is not None:
            yield from _in_layout(inner)


def beside_a_bar(*parts: Part) -> QVBoxLayout:
    """As wide as what stands beside a scroll bar."""
    return column(*parts, spacing=12, margins_px=(0, 0, SCROLL_BAR_PX, 0))


def scrolling(content: QWidget) -> QScrollArea:
    """A frameless area that scrolls up and down only; its bar keeps its place when not needed."""
    area = QScrollArea()
    area.setObjectName("column")
    scroll_down(area)
    area.setFocusPolicy(Qt.FocusPolicy.NoFocus)
    keep_bar(area)
    area.setWidget(content)
    return area


def keep_bar(area: QScrollArea) -> None:
    """Has an area keep its bar's place when it is not needed."""
    area.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOn)
    bar = area.verticalScrollBar()
    bar.rangeChanged.connect(lambda low, high: bar.setEnabled(high > low))
    bar.setEnabled(False)  # until there is something to scroll


def scroll_down(area: QScrollArea) -> None:
    """Has an area scroll up and down only, without a frame; what it shows is as wide as it is."""
    area.setFrameShape(QFrame.Shape.NoFrame)
    area.setWidgetResizable(True)
    area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
