"""The result of a run that is over: what was measured, what it took, and where the adapter is."""

from pathlib import Path

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QVBoxLayout, QWidget

from app.core.text.translation import tr
from app.ui.run.result_text import effort_text, result_text
from app.ui.state.run_loading import ReadRun
from app.ui.system.file_manager import REVEAL_LABEL
from app.ui.widgets.building_blocks import ElidedLabel, button, card, label, row, say


class ResultCard(QWidget):
    reveal_requested = Signal(object)
    """Path of the adapter's folder."""

    def __init__(self) -> None:
        super().__init__()
        self._adapter: Path | None = None
        self.text = label("", "result", wraps=True)
        self.effort = label("", "secondary", wraps=True)
        for part in (self.text, self.effort):
            part.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.where = ElidedLabel("", "secondary", Qt.TextElideMode.ElideMiddle)
        self.reveal = button(REVEAL_LABEL, self._ask_reveal, "link")
        frame, inside = card()
        inside.addWidget(self.text)
        inside.addWidget(self.effort)
        inside.addLayout(row(self.where, self.reveal))
        outside = QVBoxLayout(self)
        outside.setContentsMargins(0, 0, 0, 0)
        outside.addWidget(frame)

    def show_run(self, run: ReadRun) -> None:
        self._adapter = run.details.summary.adapter_dir
        say(self.text, result_text(run))
        say(self.effort, effort_text(run))
        where = tr("Adapter: {path}", path=self._adapter) if self._adapter else tr("No checkpoint.")
        self.where.setText(where)
        self.reveal.setVisible(self._adapter is not None)

    def _ask_reveal(self) -> None:
        if self._adapter is not None:
            self.reveal_requested.emit(self._adapter)
