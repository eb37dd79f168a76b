"""The head of the plan: the next run's name, whether it can start, and its Start button."""

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QSizePolicy, QVBoxLayout, QWidget

from app.core.text.translation import tr
from app.core.wording.display_names import dataset_title
from app.ui.new_run.memory_note import MemoryNote
from app.ui.run.run_actions import ActionButton, RunActions
from app.ui.state.app_state import AppState
from app.ui.widgets.building_blocks import (
    ElidedLabel,
    button,
    card,
    label,
    message,
    restyle,
    row,
    say,
)
from app.ui.widgets.name_field import NameField
from app.ui.widgets.wrapping_row import WrappingRow


class PlanHeader(QWidget):
    """Shows nothing of a run in progress but that it decides whether Start or the queue is next."""

    data_requested = Signal()
    """The reason why it can't start is to be seen."""

    def __init__(self, state: AppState, actions: RunActions) -> None:
        super().__init__()
        self._state = state
        self.name = NameField()
        self.name.setAccessibleName(tr("Name of the run"))
        self.name.textEdited.connect(lambda text: state.change_config(name=text.strip()))
        self.pill = label("", "pill")
        self.pill.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)
        self.start = ActionButton(actions.start, "primary")
        self.queue = ActionButton(actions.queue)
        self.status = ElidedLabel("", "secondary")
        self.problem = message("problem")
        self.show_data = button(tr("Show Problem"), self.data_requested.emit, "link")
        self.memory = MemoryNote(state)
        frame, inside = card()
        inside.setSpacing(10)
        inside.addLayout(WrappingRow((self.name, self.pill), (self.queue, self.start)))
        reason = row(self.problem, self.show_data, None)
        reason.setStretch(0, 100)  # what wraps takes all the room there is
        inside.addLayout(reason)
        inside.addWidget(self.status)
        inside.addWidget(self.memory)
        outside = QVBoxLayout(self)
        outside.setContentsMargins(0, 0, 0, 0)
        outside.addWidget(frame)
        for changed in (
            state.phase_changed, state.config_changed, state.dataset_changed,
            state.preview_changed,
        ):  # fmt: skip
            changed.connect(self.refresh)
        self.refresh()

    def refresh(self) -> None:
        state = self._state
        why_not = state.queue_blocker()
        self.pill.setText(tr("Not ready") if why_not else tr("Ready"))
        restyle(self.pill, "tone", "warning" if why_not else "success")
        self._show_name()
        say(self.problem, why_not)
        self.show_data.setVisible(state.is_data_wrong)
        say(self.status, self._status())
        is_busy = state.phase.is_active
        self.start.setVisible(not is_busy)
        restyle(self.queue, "objectName", "primary" if is_busy else "")

    def _show_name(self) -> None:
        config = self._state.config
        placeholder = dataset_title(config.data) or tr("New Run")
        self.name.setPlaceholderText(placeholder)
        self.name.show_name(config.name)

    def _status(self) -> str:
        state = self._state
        if not state.phase.is_active:
            return ""
        return tr("“{run}” is training. This run can wait in the queue.", run=state.run_name)
