"""A labeled control for one setting of TrainingConfig, built from the field's metadata; and fields
for settings with files.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QAbstractSpinBox, QCheckBox, QHBoxLayout, QWidget

from app.core.config.training_config import CHOICES, config_field
from app.core.text.translation import tr
from app.core.wording.display_names import dataset_title
from app.core.wording.results import question_set_title
from app.ui.look import formatting
from app.ui.look.plain_text import ElidedLabel, set_tip
from app.ui.state.app_state import AppState
from app.ui.widgets.basic_widgets import button, label, message, restyle, say
from app.ui.widgets.calm_inputs import (
    CalmComboBox,
    CalmSpinBox,
    NumberField,
    PercentField,
    TextField,
)
from app.ui.widgets.layouts import lay_out, row

FIELD_WIDTH_PX, FIELD_HEIGHT_PX = 132, 30
_QT_INT_MAX = 2**31 - 1


class SettingField(QWidget):
    """Shows and writes one setting of the state's configuration, and shows its problem."""

    def __init__(self, name: str, state: AppState, *, is_wide: bool = False) -> None:
        """A wide field is placed below its label and takes the full width."""
        super().__init__()
        self.name, self._state = name, state
        field = config_field(name)
        facts = field.metadata
        self.control, self._show = _control(name, state)
        title, help_text = tr(facts["label"]), tr(facts["help"])
        set_tip(self.control, help_text, is_wrapped=True)
        self.control.setAccessibleName(title)
        self.control.setAccessibleDescription(help_text)
        self.problem = message("problem")
        parts = self._put_below(title) if is_wide else (self._line(title, help_text),)
        lay_out(self, *parts, self.problem, spacing=4)
        state.config_changed.connect(self.refresh)
        self.refresh()

    def _line(self, text: str, help_text: str) -> QHBoxLayout:
        if isinstance(self.control, QCheckBox):
            self.control.setText(text)
            return row(self.control, None)
        self.control.setFixedSize(FIELD_WIDTH_PX, FIELD_HEIGHT_PX)
        caption = label(text, wraps=True)
        set_tip(caption, help_text, is_wrapped=True)
        caption.setBuddy(self.control)
        line = row(caption, self.control)
        line.setStretch(0, 1)
        return line

    def _put_below(self, text: str) -> tuple[QWidget, QWidget]:
        caption = label(text)
        caption.setBuddy(self.control)
        self.control.setFixedHeight(FIELD_HEIGHT_PX)
        return caption, self.control

    def refresh(self) -> None:
        config = self._state.config
        value = getattr(config, self.name)
        self._show(value)
        problems = [p.message for p in config.problems() if p.setting == self.name]
        if problems and value != value:
            title = tr(config_field(self.name).metadata["label"])
            problems = [tr("{label} must be a number.", label=title)]
        say(self.problem, problems[0] if problems else "")
        restyle(self.control, "wrong", bool(problems))


def _control(name: str, state: AppState) -> tuple[QWidget, Callable[[Any], None]]:
    """The control for a setting's type, and the function that shows a value in it."""

    def write(value: object) -> None:
        state.change_config(**{name: value})

    value, facts = getattr(state.config, name), config_field(name).metadata
    if name in CHOICES:
        return _choice(name, write)
    if isinstance(value, bool):
        return _switch(write)
    if isinstance(value, int) and facts["bounds"][1] <= _QT_INT_MAX:
        return _whole_number(name, write)
    if isinstance(value, str):
        return _text(name, write)
    field = PercentField() if facts["is_percent"] else NumberField()
    is_whole = isinstance(value, int)
    field.number_changed.connect(
        lambda number: write(int(number) if is_whole and number == number else number)
    )
    return field, field.show_number


def _choice(name: str, write: Callable[[object], None]) -> tuple[QWidget, Callable[[Any], None]]:
    words = {value: formatting.choice(name, value) for value in CHOICES[name]}
    combo = CalmComboBox(words)
    combo.activated.connect(lambda _: write(combo.currentData()))
    return combo, combo.choose


def _switch(write: Callable[[object], None]) -> tuple[QWidget, Callable[[Any], None]]:
    box = QCheckBox()
    box.clicked.connect(write)
    return box, box.setChecked


def _whole_number(
    name: str, write: Callable[[object], None]
) -> tuple[QWidget, Callable[[Any], None]]:
    spin = CalmSpinBox(*config_field(name).metadata["bounds"])
    spin.setSpecialValueText(formatting.LEAST.get(name, ""))
    spin.setButtonSymbols(QAbstractSpinBox.ButtonSymbols.NoButtons)
    spin.setGroupSeparatorShown(True)
    spin.valueChanged.connect(write)

    def show(value: int) -> None:
        if value != spin.value():
            spin.setValue(value)

    return spin, show


def _text(name: str, write: Callable[[object], None]) -> tuple[QWidget, Callable[[Any], None]]:
    field = TextField()
    field.setPlaceholderText(formatting.EMPTY.get(name, ""))
    field.textEdited.connect(write)

    def show(value: str) -> None:
        if value != field.text():
            field.setText(value)

    return field, show


SEVERAL = ("eval_sets",)
"""Settings that are a tuple of files; the others are one file or None."""


class FilesField(QWidget):
    """Shows and changes the files of one setting, and shows its problem."""

    choose_requested = Signal(str)
    """Argument: the name of the setting."""

    def __init__(self, name: str, state: AppState, default: str) -> None:
        """`default`: the text if no file is chosen."""
        super().__init__()
        self.name, self._state, self._default = name, state, default
        facts = config_field(name).metadata
        title, help_text = tr(facts["label"]), tr(facts["help"])
        caption = label(title)
        set_tip(caption, help_text, is_wrapped=True)
        self.choose = button(tr("Choose…"), lambda: self.choose_requested.emit(name), "link")
        self.choose.setAccessibleName(tr("Choose {setting}", setting=title))
        self.choose.setAccessibleDescription(help_text)
        self.clear = button(tr("Clear"), self._clear, "link")
        self.clear.setAccessibleName(tr("Clear {setting}", setting=title))
        self.files = ElidedLabel("", "secondary")
        self.problem = message("problem")
        head = row(caption, None, self.clear, self.choose)
        lay_out(self, head, self.files, self.problem, spacing=2)
        state.config_changed.connect(self.refresh)
        self.refresh()

    def refresh(self) -> None:
        files = self._files()
        title = question_set_title if self.name == "eval_sets" else dataset_title
        self.files.setText(", ".join(map(title, files)) or self._default)
        if files:
            set_tip(self.files, "\n".join(map(str, files)))
        self.clear.setVisible(bool(files))
        problems = [p.message for p in self._state.config.problems() if p.setting == self.name]
        say(self.problem, problems[0] if problems else "")

    def take(self, files: tuple[Path, ...]) -> None:
        """Replace the chosen files."""
        several = self.name in SEVERAL
        self._state.change_config(**{self.name: files if several else next(iter(files), None)})

    def _clear(self) -> None:
        self.take(())

    def _files(self) -> tuple[Path, ...]:
        value = getattr(self._state.config, self.name)
        return value if isinstance(value, tuple) else (value,) if value is not None else ()
