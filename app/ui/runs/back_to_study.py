"""The bar above the list of runs that leads back to the open study."""

from typing import TYPE_CHECKING

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QWidget

from app.core.text.translation import tr
from app.ui.look.plain_text import ElidedLabel
from app.ui.widgets.basic_widgets import button
from app.ui.widgets.layouts import row

if TYPE_CHECKING:
    from app.library.reading.study_results import ReadStudy


class BackToStudy(QWidget):
    """Hidden unless a study is open."""

    open_requested = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.text = ElidedLabel()
        self.open = button(tr("Open"), self.open_requested.emit)
        self.open.setAccessibleName(tr("Open the study"))
        self.setLayout(row(self.text, self.open))
        self.hide()

    def show_study(self, study: "ReadStudy | None") -> None:
        if study is not None:
            done, total = len(study.runs) - len(study.waiting), len(study.runs)
            words = tr(
                "Study “{name}”: {done:,} of {total:,} runs done",
                name=study.path.stem,
                done=done,
                total=total,
            )
            self.text.setText(words)
        self.setVisible(study is not None)
