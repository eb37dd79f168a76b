"""The cards in the left column for the base model, and for the adapter that the planned run
continues.
"""

from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, Signal, Slot

from app.core.files.paths import starter_model_dir
from app.core.text.sanitize import single_line
from app.core.text.sentences import localized
from app.core.text.translation import tr
from app.core.wording.display_names import model_name, model_place
from app.library.run.layout import CHECKPOINTS, checkpoint_step
from app.ui.look.plain_text import ElidedLabel, set_tip
from app.ui.state.app_state import AppState
from app.ui.widgets.basic_widgets import CardFrame, button, label, message, say
from app.ui.widgets.layouts import fill, row

if TYPE_CHECKING:
    from app.library.reading.run_summary import RunSummary


class ModelCard(CardFrame):
    choose_requested = Signal()
    starter_requested = Signal()

    def __init__(self, state: AppState) -> None:
        super().__init__()
        self._state = state
        self.choose = button(tr("Choose…"), self.choose_requested.emit, "link")
        self.choose.setAccessibleName(tr("Choose a base model"))
        self.inside.addLayout(row(label(tr("Base model"), "heading"), None, self.choose))
        self.name = ElidedLabel("", "strong")
        self.where = ElidedLabel("", "secondary", Qt.TextElideMode.ElideMiddle)
        self.facts = message("note")
        self.problem = message("problem")
        self.starter = button(tr("Back to the starter model"), self.starter_requested.emit, "link")
        fill(self.inside, self.name, self.where, self.facts, self.problem, row(self.starter, None))
        state.config_changed.connect(self.refresh)
        state.preview_changed.connect(self.refresh)
        self.refresh()

    def show_facts(self, text: str) -> None:
        """Show a line of facts from the Models list; empty for none."""
        say(self.facts, text)

    def refresh(self) -> None:
        model = self._state.config.model
        is_starter = model == starter_model_dir()
        self.name.setText(model_name(model))
        self.where.setText(
            tr("Small, comes with Nestling") if is_starter else str(model_place(model))
        )
        self.starter.setVisible(not is_starter)
        failure = self._state.model_failure
        say(self.problem, localized(str(failure)) if failure else "")


class StartFromCard(CardFrame):
    """Hidden unless the plan starts from an adapter."""

    run_requested = Signal(object)
    """Argument: the path of the folder of the run that trained the adapter."""

    def __init__(self, state: AppState) -> None:
        super().__init__()
        self._state = state
        self._runs: dict[Path, str] = {}
        """The current names of the library's runs."""
        self.name = ElidedLabel("", "strong")
        self.where = ElidedLabel("", "secondary", Qt.TextElideMode.ElideMiddle)
        self.remove = button(tr("Remove"), lambda: state.change_config(adapter=None), "link")
        set_tip(self.remove, tr("Start with a new adapter instead"))
        self.inside.addLayout(row(label(tr("Continues from"), "heading"), None, self.remove))
        self.open = button(tr("Show Run"), self._ask_run, "link")
        fill(self.inside, row(self.name, self.open), self.where)
        state.config_changed.connect(self.refresh)
        self.refresh()

    @Slot(object)
    def show_runs(self, runs: "list[RunSummary]") -> None:
        """Update the names of the library's runs."""
        self._runs = {run.run_dir: single_line(run.name) for run in runs}
        self.refresh()

    def refresh(self) -> None:
        adapter = self._state.config.adapter
        self.setVisible(adapter is not None)
        if adapter is None:
            return
        run = self._run_dir(adapter)
        name = self._runs.get(run, run.name)
        step = checkpoint_step(adapter)
        is_step = run != adapter and step >= 0
        self.name.setText(tr("{name}, step {step:,}", name=name, step=step) if is_step else name)
        self.where.setText(str(adapter.parent))
        self.open.setVisible(run in self._runs)

    def _run_dir(self, adapter: Path) -> Path:
        """The folder of the run that trained the adapter, or the adapter's own folder if no run
        here did.
        """
        return adapter.parent.parent if adapter.parent.name == CHECKPOINTS else adapter

    def _ask_run(self) -> None:
        if (adapter := self._state.config.adapter) is not None:
            self.run_requested.emit(self._run_dir(adapter))
