"""The header of the plan: the next run's name, whether it can start, and its buttons."""

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QPushButton, QSizePolicy, QWidget

from app.core.events import MemoryAdvice, MemoryEstimated
from app.core.text.sentences import localized
from app.core.text.translation import tr
from app.core.wording.display_names import dataset_title
from app.core.wording.memory import gigabytes, memory_parts
from app.ui.look.plain_text import set_tip
from app.ui.run.run_actions import ActionButton, RunActions
from app.ui.state.app_state import UNMAPPED, AppState
from app.ui.widgets.basic_widgets import CardFrame, button, label, message, restyle, say
from app.ui.widgets.layouts import clear, column, fill, grows, lay_out, row
from app.ui.widgets.name_field import NameField
from app.ui.widgets.wrapping_row import WrappingRow


class PlanHeader(CardFrame):
    """While a run is in progress, it offers the queue in place of Start."""

    data_requested = Signal()
    """The user wants to see the reason why the run can't start."""

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
        self.status = message("details")
        self.problem = message("problem")
        self.show_data = button(tr("Show Problem"), self.data_requested.emit, "link")
        self.memory = MemoryNote(state)
        self.inside.setSpacing(10)
        self.inside.addLayout(WrappingRow((self.name, self.pill), (self.queue, self.start)))
        # A wrapping label needs all available width.
        reason = row(grows(self.problem, 100), None, self.show_data)
        fill(self.inside, reason, self.status, self.memory)
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
        self.show_data.setText(tr("Map Columns…") if why_not == UNMAPPED else tr("Show Problem"))
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


MAX_ADVICE = 3
_TONES = {"fits": "", "tight": "warning", "won't fit": "danger"}


class MemoryNote(QWidget):
    """The memory estimate with advice. Hidden during a run, and until the estimate is available or
    known to be impossible.
    """

    def __init__(self, state: AppState) -> None:
        super().__init__()
        self._state = state
        self._shown: tuple[str, MemoryEstimated | None] = ("", None)
        self.text = label("", "note", wraps=True)
        self.lead = label(tr("Try:"), "caption")
        self._ways = column(spacing=0)
        self.ways: list[QPushButton] = []
        lay_out(self, self.text, self.lead, self._ways, spacing=4)
        state.preview_changed.connect(self.refresh)
        state.phase_changed.connect(self.refresh)
        self.refresh()

    def refresh(self) -> None:
        asked = self._state.memory_text, self._state.memory
        self.setVisible(bool(asked[0]) and not self._state.phase.is_active)
        if asked[0] and asked != self._shown:
            self._shown = asked
            self._show(*asked)

    def _show(self, text: str, estimate: MemoryEstimated | None) -> None:
        self.text.setText(text)
        set_tip(self.text, memory_parts(estimate) if estimate else "", is_wrapped=True)
        tone = _TONES[estimate.verdict] if estimate else ""
        is_bound = estimate is not None and estimate.is_bound
        restyle(self.text, "tone", "warning" if tone and is_bound else tone)
        advice = estimate.advice if estimate else ()
        self.lead.setVisible(bool(advice))
        clear(self._ways)
        self.ways = [self._way(one) for one in advice[:MAX_ADVICE]]
        for way in self.ways:
            self._ways.addWidget(way, 0, Qt.AlignmentFlag.AlignLeft)

    def _way(self, advice: MemoryAdvice) -> QPushButton:
        text = f"{localized(advice.text.removesuffix('.'))}: {gigabytes(advice.peak_bytes)}"
        way = button(text, lambda: self._state.change_config(**dict(advice.settings)), "link")
        way.setEnabled(bool(advice.settings))
        set_tip(
            way, tr("Change these settings") if advice.settings else tr("Use as the base model")
        )
        return way
