"""The adapter whose training the planned run continues, if it has one."""

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QVBoxLayout, QWidget

from app.core.text.translation import tr
from app.library.run.layout import CHECKPOINTS
from app.ui.look.plain_text import set_tip
from app.ui.state.app_state import AppState
from app.ui.widgets.building_blocks import ElidedLabel, button, card, label, row


class StartFromCard(QWidget):
    """Only there while the plan starts from an adapter."""

    def __init__(self, state: AppState) -> None:
        super().__init__()
        self._state = state
        self.name = ElidedLabel("", "strong")
        self.where = ElidedLabel("", "secondary", Qt.TextElideMode.ElideMiddle)
        self.remove = button(tr("Remove"), lambda: state.change_config(adapter=None), "link")
        set_tip(self.remove, tr("Start with a new adapter instead"))
        frame, inside = card()
        inside.addLayout(row(label(tr("Continues from"), "heading"), None, self.remove))
        inside.addWidget(self.name)
        inside.addWidget(self.where)
        outside = QVBoxLayout(self)
        outside.setContentsMargins(0, 0, 0, 0)
        outside.addWidget(frame)
        state.config_changed.connect(self.refresh)
        self.refresh()

    def refresh(self) -> None:
        adapter = self._state.config.adapter
        self.setVisible(adapter is not None)
        if adapter is None:
            return
        is_checkpoint = adapter.parent.name == CHECKPOINTS
        run = adapter.parent.parent if is_checkpoint else adapter
        self.name.setText(f"{run.name}, {adapter.name}" if is_checkpoint else run.name)
        self.where.setText(str(adapter.parent))
