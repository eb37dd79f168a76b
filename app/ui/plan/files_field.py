"""A setting whose value is a file, or several: which, and how to choose others. Opens none."""

from pathlib import Path

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QWidget

from app.core.config.training_config import config_field
from app.core.text.translation import tr
from app.core.wording.display_names import dataset_title
from app.ui.look.plain_text import set_tip
from app.ui.state.app_state import AppState
from app.ui.widgets.building_blocks import ElidedLabel, button, column, label, message, row, say

SEVERAL = ("eval_sets",)
"""Settings that hold a tuple of files; the others hold one or none."""


class FilesField(QWidget):
    """Shows one of the state's settings, and says what is wrong with it."""

    choose_requested = Signal(str)
    """The setting's name."""

    def __init__(self, name: str, state: AppState, default: str) -> None:
        """`default` says what is used where no file is chosen."""
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
        whole = column(spacing=2)
        whole.addLayout(row(caption, None, self.clear, self.choose))
        whole.addWidget(self.files)
        whole.addWidget(self.problem)
        self.setLayout(whole)
        state.config_changed.connect(self.refresh)
        self.refresh()

    def refresh(self) -> None:
        files = self._files()
        self.files.setText(", ".join(dataset_title(path) for path in files) or self._default)
        if files:
            set_tip(self.files, "\n".join(map(str, files)))
        self.clear.setVisible(bool(files))
        problems = [p.message for p in self._state.config.problems() if p.setting == self.name]
        say(self.problem, problems[0] if problems else "")

    def take(self, files: tuple[Path, ...]) -> None:
        """These, in place of those that were chosen before."""
        several = self.name in SEVERAL
        self._state.change_config(**{self.name: files if several else next(iter(files), None)})

    def _clear(self) -> None:
        self.take(())

    def _files(self) -> tuple[Path, ...]:
        value = getattr(self._state.config, self.name)
        return value if isinstance(value, tuple) else (value,) if value is not None else ()
