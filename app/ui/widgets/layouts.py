"""Layout helpers: rows, columns, scroll areas, the tab order."""

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
"""Distances are multiples of this, or half of it."""
Part: TypeAlias = QWidget | QLayout | tuple[QWidget | QLayout, int] | int | None
Margins: TypeAlias = tuple[int, int, int, int]
_NO_MARGINS: Margins = (0, 0, 0, 0)
AROUND_PAGE_PX: Margins = (3 * GRID_PX, 2 * GRID_PX, 3 * GRID_PX, 2 * GRID_PX)
AROUND_SCROLLING_PX: Margins = (3 * GRID_PX, 2 * GRID_PX, 3 * GRID_PX - SCROLL_BAR_PX, 2 * GRID_PX)
"""The margins of a page that scrolls: the scroll bar lies in the page margin. Other parts use
`beside_a_bar`, so that all have the same right edge.
"""


def row(*parts: Part, spacing: int = GRID_PX, margins_px: Margins = _NO_MARGINS) -> QHBoxLayout:
    """A horizontal layout. Labels that can be elided take the remaining width."""
    made = QHBoxLayout()
    made.setContentsMargins(*margins_px)
    made.setSpacing(spacing)
    fill(made, *(grows(part) if isinstance(part, ElidedLabel) else part for part in parts))
    return made


def column(*parts: Part, spacing: int = GRID_PX, margins_px: Margins = _NO_MARGINS) -> QVBoxLayout:
    """A vertical layout."""
    made = QVBoxLayout()
    made.setContentsMargins(*margins_px)
    made.setSpacing(spacing)
    fill(made, *parts)
    return made


def lay_out(
    widget: QWidget, *parts: Part, spacing: int = GRID_PX, margins_px: Margins = _NO_MARGINS
) -> None:
    """Give a widget a vertical layout of these parts."""
    widget.setLayout(column(*parts, spacing=spacing, margins_px=margins_px))


def fill(made: QBoxLayout, *parts: Part) -> None:
    """Add parts to a layout: an int is a gap in pixels, None a stretch."""
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
    """Remove all widgets of a layout: hidden at once, deleted later."""
    while (item := layout.takeAt(0)) is not None:
        if (part := item.widget()) is not None:
            part.hide()
            part.deleteLater()


def grows(part: QWidget | QLayout, share: int = 1) -> tuple[QWidget | QLayout, int]:
    """A part of a row or column with a stretch factor."""
    return part, share


def order_as_read(part: QWidget) -> None:
    """Set the tab order of a part's widgets to the order of their layouts."""
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
    """A column that leaves room for a scroll bar on its right."""
    return column(*parts, spacing=12, margins_px=(0, 0, SCROLL_BAR_PX, 0))


def scrolling(content: QWidget) -> QScrollArea:
    """A frameless area that scrolls vertically and always reserves the width of its scroll bar."""
    area = QScrollArea()
    area.setObjectName("column")
    scroll_down(area)
    area.setFocusPolicy(Qt.FocusPolicy.NoFocus)
    keep_bar(area)
    area.setWidget(content)
    return area


def keep_bar(area: QScrollArea) -> None:
    """Always show the area's scroll bar, so that its width is reserved; disable it if not
    needed.
    """
    area.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOn)
    bar = area.verticalScrollBar()
    bar.rangeChanged.connect(lambda low, high: bar.setEnabled(high > low))
    bar.setEnabled(False)  # nothing to scroll yet


def scroll_down(area: QScrollArea) -> None:
    """Let an area scroll only vertically, without a frame; its content gets the area's width."""
    area.setFrameShape(QFrame.Shape.NoFrame)
    area.setWidgetResizable(True)
    area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
