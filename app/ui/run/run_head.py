"""The head of a run's page: its name, its state and its buttons."""

from typing import TYPE_CHECKING

from PySide6.QtWidgets import QSizePolicy, QWidget

from app.core.base_model import BaseModelCheck
from app.core.text.sentences import localized
from app.core.text.translation import tr
from app.ui.look import formatting
from app.ui.look.plain_text import ElidedLabel
from app.ui.run.run_actions import ActionButton, RunActions
from app.ui.run.run_chain_links import RunChainLinks
from app.ui.run.run_menu_button import RunMenuButton
from app.ui.widgets.basic_widgets import allow, button, label, message, restyle, say
from app.ui.widgets.layouts import lay_out
from app.ui.widgets.name_field import NameField
from app.ui.widgets.wrapping_row import WrappingRow

if TYPE_CHECKING:
    from app.library.reading.run_summary import RunSummary

NO_CHECKPOINT = tr("This run has no checkpoint.")


class RunHead(QWidget):
    """Shows other buttons while the run trains here than after its end. RunView connects them."""

    def __init__(self, actions: RunActions) -> None:
        super().__init__()
        self._failure = ""
        self._is_live = self._is_resumable = False
        self.back = button(tr("‹ Runs"), lambda: None, "link")
        self.back.setAccessibleName(tr("Back to Runs"))
        self.name = NameField()
        self.name.setAccessibleName(tr("Name of the run"))
        self.pill = label("", "pill")
        self.pill.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)
        self.subtitle = ElidedLabel("", "secondary")
        self.chain = RunChainLinks()
        self.problem = message("problem")
        self.warning = message("note")
        self.warning.setProperty("tone", "warning")
        self.pause = ActionButton(actions.pause)
        self.save = ActionButton(actions.save)
        self.stop = ActionButton(actions.stop)
        self.resume = button(tr("Resume"), lambda: None)
        self.attempt = button(tr("Try in Playground"), lambda: None)
        self.export = button(tr("Export…"), lambda: None)
        self.more = RunMenuButton()
        buttons = (*self.live_buttons, self.resume, self.attempt, self.export, self.more)
        head = WrappingRow((self.back, self.name, self.pill), buttons)
        lay_out(self, head, self.chain, self.subtitle, self.problem, self.warning, spacing=12)

    @property
    def live_buttons(self) -> tuple[QWidget, ...]:
        return self.pause, self.save, self.stop

    def show_kind(self, *, is_live: bool, has_folder: bool) -> None:
        """Show the buttons for a run that trains here, a run that has ended, or a run without a
        folder.
        """
        for part in self.live_buttons:
            part.setVisible(is_live)
        for part in (self.attempt, self.export):
            part.setVisible(has_folder and not is_live)
        self.more.setVisible(has_folder)
        self.name.setReadOnly(not has_folder)
        self._is_live = is_live
        self._show_resume()

    def show_resume(self, *, is_resumable: bool, why_not: str) -> None:
        self._is_resumable = is_resumable
        allow(self.resume, why_not)
        self._show_resume()

    def _show_resume(self) -> None:
        """Show Resume as the primary button if the run can be resumed, else Try."""
        self.resume.setVisible(self._is_resumable and not self._is_live)
        is_next = self._is_resumable and self.resume.isEnabled()
        restyle(self.resume, "objectName", "primary" if is_next else "")
        restyle(self.attempt, "objectName", "" if is_next else "primary")

    def show_standing(self, summary: "RunSummary", ending: str) -> None:
        """Show the run's state. `ending` says how it ended, if it did; a failure is shown in full
        in `problem`.
        """
        self._failure = ending if summary.outcome == "failed" else ""
        self.show_pill(formatting.outcome(summary.outcome), formatting.tone(summary.outcome))
        self.subtitle.setText("" if self._failure else ending)
        self.subtitle.setVisible(bool(self.subtitle.text()))
        why_not = "" if summary.adapter_dir is not None else NO_CHECKPOINT
        for part in (self.attempt, self.export):
            allow(part, why_not)

    def show_pill(self, text: str, tone: str) -> None:
        self.pill.setText(text)
        restyle(self.pill, "tone", tone)

    def show_problem(self, problem: str) -> None:
        """Show why the run failed and which of its files are damaged."""
        say(self.problem, " ".join(filter(None, (self._failure, problem))))

    def show_base_model(self, check: BaseModelCheck) -> None:
        """Warn if the base model is missing or has changed since training."""
        say(self.warning, localized(check.message) if check.state in ("changed", "missing") else "")


def interruption(summary: "RunSummary") -> str:
    """Whether and from which step an interrupted run can be resumed."""
    if summary.adapter_dir is None and summary.problem:
        return ""  # the problem explains why it can't be resumed
    if summary.adapter_dir is None:
        return tr("It has no checkpoint, so it can't be resumed.")
    kept = summary.adapter_dir.name.removeprefix("step-").lstrip("0") or "0"
    return tr("You can resume from step {step:,}.", step=int(kept))
