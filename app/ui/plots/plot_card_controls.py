"""Controls in a plot card's corner: legends, a color scale, and a choice between views."""

from pyqtgraph.graphicsItems.ScatterPlotItem import Symbols
from PySide6.QtCore import QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import (
    QColor,
    QKeyEvent,
    QLinearGradient,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPen,
    QTransform,
)
from PySide6.QtWidgets import QButtonGroup, QHBoxLayout, QSizePolicy, QWidget

from app.core.text.translation import tr
from app.ui.look.plain_text import set_tip
from app.ui.look.radio_segment import RadioSegment
from app.ui.look.theme import Theme
from app.ui.plots.style import RAW_ALPHA, SMALL_PX, color, small_font
from app.ui.plots.tick_labels import value_text

_HIDDEN_OPACITY = 0.6
_SWATCH, _GAP, _APART, _MARK_PX = 14, 5, 14, 7


class Legend(QWidget):
    """Names with a line sample each: "bold", "faint", "dots", "dashed" or one of MARKS. With
    `wraps`, it uses several lines if needed.
    """

    def __init__(
        self, entries: tuple[tuple[str, str], ...], *, wraps: bool = False, what: str = tr("Legend")
    ) -> None:
        super().__init__()
        self._wraps, self._what = wraps, what
        if wraps:
            policy = QSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Preferred)
            policy.setHeightForWidth(True)
            self.setSizePolicy(policy)
        self.setFont(small_font())
        self._colors: tuple[str, ...] = ()
        self._text = QColor()
        self.hidden: frozenset[int] = frozenset()
        """The indexes of the hidden entries, which are struck out."""
        self.set_entries(entries)

    def set_entries(self, entries: tuple[tuple[str, str], ...]) -> None:
        self._entries = entries
        self.setAccessibleName(f"{self._what}: " + ", ".join(name for name, _ in entries))
        self.updateGeometry()
        self.update()

    def set_colors(self, text: str, strokes: tuple[str, ...]) -> None:
        self._text, self._colors = QColor(text), strokes
        self.update()

    def sizeHint(self) -> QSize:
        gaps = _APART * max(0, len(self._entries) - 1)
        return QSize(sum(self._widths()) + gaps + 2, self._line())

    def minimumSizeHint(self) -> QSize:
        return (
            QSize(max(self._widths(), default=0) + 2, self._line())
            if self._wraps
            else self.sizeHint()
        )

    def heightForWidth(self, width: int) -> int:
        return self._line() * (1 + max((line for _, line in self.places(width)), default=0))

    def places(self, width: int) -> list[tuple[int, int]]:
        """The position of each entry: its left edge and its line."""
        found, x, line = [], 0, 0
        for taken in self._widths():
            if self._wraps and x and x + taken > width:
                x, line = 0, line + 1
            found.append((x, line))
            x += taken + _APART
        return found

    def _widths(self) -> list[int]:
        advance = self.fontMetrics().horizontalAdvance
        return [advance(name) + _SWATCH + _GAP for name, _ in self._entries]

    def _line(self) -> int:
        return self.fontMetrics().height() + 2

    def paintEvent(self, _: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        places = self.places(self.width())
        height = self.height() / (1 + max((line for _, line in places), default=0))
        for entry, ((name, kind), value, (x, line)) in enumerate(
            zip(self._entries, self._colors, places, strict=False)
        ):
            is_hidden = entry in self.hidden
            painter.setOpacity(_HIDDEN_OPACITY if is_hidden else 1.0)
            font = painter.font()
            font.setStrikeOut(is_hidden)
            painter.setFont(font)
            middle = height * (line + 0.5)
            width = 2.4 if kind == "bold" else 1.4
            style = Qt.PenStyle.DashLine if kind == "dashed" else Qt.PenStyle.SolidLine
            painter.setPen(QPen(color(value, RAW_ALPHA if kind == "faint" else 1.0), width, style))
            painter.drawLine(QPointF(x, middle), QPointF(x + _SWATCH, middle))
            mark = "o" if kind == "dots" else kind
            if mark in Symbols:
                painter.setBrush(QColor(value))
                middle_of = QTransform.fromTranslate(x + _SWATCH / 2, middle)
                painter.drawPath(middle_of.scale(_MARK_PX, _MARK_PX).map(Symbols[mark]))
            painter.setPen(self._text)
            begin = x + _SWATCH + _GAP
            room = QRectF(begin, height * line, self.width() - begin, height)
            painter.drawText(room, Qt.AlignmentFlag.AlignVCenter, name)
        painter.end()


class SwitchLegend(Legend):
    """A legend whose entries can be hidden and shown with a click, or with the arrow keys and
    Space.
    """

    hidden_changed = Signal(object)
    """Argument: a frozenset of the indexes of the hidden entries."""

    def __init__(self, entries: tuple[tuple[str, str], ...], *, what: str) -> None:
        super().__init__(entries, wraps=True, what=what)
        self._chosen = 0
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        set_tip(self, tr("Click a name to hide or show it."))

    def toggle(self, entry: int) -> None:
        """Hide or show an entry, but never hide the last one."""
        hidden = self.hidden ^ {entry}
        if len(hidden) == len(self._entries):
            return
        self.hidden = hidden
        names = ", ".join(self._entries[n][0] for n in sorted(hidden))
        self.setAccessibleDescription(tr("Hidden: {names}", names=names) if names else "")
        self.update()
        self.hidden_changed.emit(hidden)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        found = self._entry_at(event.position())
        if event.button() == Qt.MouseButton.LeftButton and found is not None:
            self._chosen = found
            self.toggle(found)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        by = {Qt.Key.Key_Left: -1, Qt.Key.Key_Right: 1}.get(Qt.Key(event.key()), 0)
        if by:
            self._chosen = (self._chosen + by) % len(self._entries)
            self.update()
        elif event.key() == Qt.Key.Key_Space:
            self.toggle(self._chosen)
        else:
            super().keyPressEvent(event)

    def paintEvent(self, event: QPaintEvent) -> None:
        super().paintEvent(event)
        if self.hasFocus() and self._entries:
            painter = QPainter(self)
            painter.setPen(QPen(self._text, 1))
            painter.drawRoundedRect(self._place(self._chosen).adjusted(0.5, 0.5, -0.5, -0.5), 3, 3)
            painter.end()

    def _place(self, entry: int) -> QRectF:
        x, line = self.places(self.width())[entry]
        return QRectF(x, line * self._line(), self._widths()[entry] + 2, self._line())

    def _entry_at(self, point: QPointF) -> int | None:
        entries = range(len(self._entries))
        return next((n for n in entries if self._place(n).contains(point)), None)


class ColorScale(QWidget):
    """A color scale from 0 to the largest change."""

    def __init__(self) -> None:
        super().__init__()
        self.setFont(small_font())
        self._top = 0.0
        self._theme: Theme | None = None

    def set_top(self, top: float) -> None:
        self._top = top
        self.setAccessibleName(tr("Colors from 0 to {top}", top=value_text(top, digits=2)))
        self.updateGeometry()
        self.update()

    def set_theme(self, theme: Theme) -> None:
        self._theme = theme
        self.update()

    def sizeHint(self) -> QSize:
        metrics = self.fontMetrics()
        words = metrics.horizontalAdvance("0" + value_text(self._top, digits=2))
        return QSize(words + 56 + 2 * _GAP + 2, metrics.height() + 2)

    minimumSizeHint = sizeHint

    def paintEvent(self, _: QPaintEvent) -> None:
        if self._theme is None:
            return
        left = self.fontMetrics().horizontalAdvance("0") + _GAP
        number = value_text(self._top, digits=2)
        right = self.width() - self.fontMetrics().horizontalAdvance(number) - _GAP - 2
        strip = QRectF(left + 0.5, self.height() / 2 - 4, right - left, 8)
        gradient = QLinearGradient(strip.topLeft(), strip.topRight())
        for index, value in enumerate(self._theme.heat):
            gradient.setColorAt(index / (len(self._theme.heat) - 1), QColor(value))
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(QPen(QColor(self._theme.border), 1))
        painter.setBrush(gradient)
        painter.drawRoundedRect(strip, 3, 3)
        painter.setPen(QColor(self._theme.secondary_text))
        painter.drawText(self.rect(), Qt.AlignmentFlag.AlignVCenter, "0")
        right_middle = Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignRight
        painter.drawText(self.rect(), right_middle, number)
        painter.end()


class Choice(QWidget):
    """A segmented control: exactly one segment is on."""

    chosen = Signal(int)

    def __init__(self, name: str, entries: tuple[tuple[str, str], ...]) -> None:
        """`entries`: labels and tool tips."""
        super().__init__()
        self.setAccessibleName(name)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(2)
        self.group = QButtonGroup(self)
        for index, (label, tip) in enumerate(entries):
            button = RadioSegment()
            button.setText(label)
            set_tip(button, tip)
            button.setAccessibleName(f"{name}: {label}")
            self.group.addButton(button, index)
            row.addWidget(button)
        self.choose(0)
        self.group.idClicked.connect(self.chosen)

    def choose(self, index: int | None) -> None:
        """Turn on one segment, or none, without emitting `chosen`."""
        self.group.setExclusive(False)
        for button in self.group.buttons():
            button.setChecked(self.group.id(button) == index)
        self.group.setExclusive(True)

    def set_theme(self, theme: Theme) -> None:
        self.setStyleSheet(
            f"QRadioButton {{ color: {theme.secondary_text}; background: transparent; border: none;"
            f" border-radius: 5px; padding: 2px 7px; font-size: {SMALL_PX}px;"
            f" spacing: 0; min-height: 0; }}"
            "QRadioButton::indicator { width: 0; height: 0; border: none; }"
            f"QRadioButton:hover {{ background: {theme.raised}; }}"
            f"QRadioButton:focus {{ border: 1px solid {theme.accent}; padding: 1px 6px; }}"
            f"QRadioButton:checked {{ color: {theme.text}; background: {theme.selection}; }}"
        )
