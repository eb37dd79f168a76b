"""Input fields that ignore the mouse wheel and dropped files."""

import math

from PySide6.QtCore import QEvent, Qt, Signal
from PySide6.QtGui import QKeyEvent, QPaintEvent, QWheelEvent
from PySide6.QtWidgets import (
    QComboBox,
    QLineEdit,
    QSpinBox,
    QStyle,
    QStyleOptionComboBox,
    QStylePainter,
    QToolButton,
)

from app.core.config.setting import percent
from app.core.text.translation import tr
from app.ui.look import formatting
from app.ui.look.plain_text import PlainLabel
from app.ui.widgets.basic_widgets import rest_focus, restyle

_SPARE_PX = 1
"""A text may be this much wider than its field before it is cut off, because of the space in its
glyphs.
"""


class CalmSpinBox(QSpinBox):
    def __init__(self, minimum: int, maximum: int) -> None:
        super().__init__()
        self.setRange(minimum, maximum)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setKeyboardTracking(True)
        self.lineEdit().setAcceptDrops(False)
        self.setAcceptDrops(False)

    def wheelEvent(self, event: QWheelEvent) -> None:
        event.ignore()


class CalmComboBox(QComboBox):
    """A combo box whose items have a text and a value.

    Screen readers use the buddy label's text, not `accessibleName`. If there is no visible label, a
    hidden one takes its place.
    """

    def __init__(self, choices: dict[str, str], name: str = "") -> None:
        """`name` is the accessible name if no visible label names the box."""
        super().__init__()
        self._label = PlainLabel(name) if name else None
        if self._label is not None:
            self._label.setBuddy(self)
            self._label.hide()
            self.setAccessibleName(name)
            self.setAccessibleDescription(name)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setSizeAdjustPolicy(self.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.setMinimumContentsLength(6)
        for value, text in choices.items():
            self.addItem(text, value)

    def choose(self, value: str) -> None:
        self.setCurrentIndex(self.findData(value))

    def event(self, event: QEvent) -> bool:
        if event.type() == QEvent.Type.ParentChange and self._label is not None:
            self._label.setParent(self.parentWidget())
            self._label.hide()
        return super().event(event)

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: ARG002
        """Elide the middle of a text that is too long; Qt would clip it."""
        option = QStyleOptionComboBox()
        self.initStyleOption(option)
        style, part = self.style(), QStyle.SubControl.SC_ComboBoxEditField
        field = style.subControlRect(QStyle.ComplexControl.CC_ComboBox, option, part, self)
        if self.fontMetrics().horizontalAdvance(option.currentText) > field.width() + _SPARE_PX:
            option.currentText = self.fontMetrics().elidedText(
                option.currentText, Qt.TextElideMode.ElideMiddle, field.width()
            )
        painter = QStylePainter(self)
        painter.drawComplexControl(QStyle.ComplexControl.CC_ComboBox, option)
        painter.drawControl(QStyle.ControlElement.CE_ComboBoxLabel, option)

    def wheelEvent(self, event: QWheelEvent) -> None:
        event.ignore()


class NumberField(QLineEdit):
    """A field for a number as people write it, 1e-4 or 0.0001. Invalid text is marked and gives
    NaN.
    """

    number_changed = Signal(float)

    def __init__(self, value: float = 0.0) -> None:
        super().__init__()
        self.setAcceptDrops(False)
        self._value = math.inf
        self.show_number(value)
        self.textEdited.connect(self._read)
        self.editingFinished.connect(self._tidy)

    @property
    def number(self) -> float:
        return self._value

    def show_number(self, value: float) -> None:
        """Show a value. A text that already has this value is kept."""
        both_are_no_number = math.isnan(value) and math.isnan(self._value)
        if value != self._value and not both_are_no_number:
            self._value = value
            self.setText("" if math.isnan(value) else self._written(value))
        restyle(self, "wrong", math.isnan(value))

    def _written(self, value: float) -> str:
        return formatting.number(value)

    def _parsed(self, text: str) -> float:
        return float(text.replace(",", ".").replace(" ", ""))

    def _read(self, text: str) -> None:
        try:
            self._value = self._parsed(text)
        except ValueError:
            self._value = math.nan
        restyle(self, "wrong", math.isnan(self._value))
        self.number_changed.emit(self._value)

    def _tidy(self) -> None:
        if not math.isnan(self._value):
            self.setText(self._written(self._value))


class PercentField(NumberField):
    """A field for a fraction, shown in percent."""

    def _written(self, value: float) -> str:
        return percent(value)

    def _parsed(self, text: str) -> float:
        return super()._parsed(text.replace("%", "")) / 100


class SearchField(QLineEdit):
    def __init__(self, name: str) -> None:
        super().__init__()
        self.setAcceptDrops(False)
        self.setPlaceholderText(tr("Search"))
        self.setAccessibleName(name)
        self.setClearButtonEnabled(True)
        for clear in self.findChildren(QToolButton):
            clear.setAccessibleName(tr("Clear the search"))

    def begin(self) -> None:
        """Focus the field and select its text, which the next input replaces."""
        self.setFocus(Qt.FocusReason.ShortcutFocusReason)
        self.selectAll()


class TextField(QLineEdit):
    def __init__(self) -> None:
        super().__init__()
        self.setAcceptDrops(False)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() == Qt.Key.Key_Escape:
            rest_focus(self)
        else:
            super().keyPressEvent(event)
