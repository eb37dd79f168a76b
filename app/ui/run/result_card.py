"""The result of a run that has ended: measurements, effort, and the adapter's location."""

from pathlib import Path

from PySide6.QtCore import Qt, Signal

from app.core.text.sentences import localized
from app.core.text.translation import tr, trn
from app.core.wording.results import FORGOTTEN, WrongQuestion, result_sentences
from app.ui.look import formatting
from app.ui.look.plain_text import ElidedLabel
from app.ui.run.questions_view import wrong_questions
from app.ui.state.run_loading import ReadRun
from app.ui.system.file_manager import REVEAL_LABEL
from app.ui.widgets.basic_widgets import CardFrame, button, label, say
from app.ui.widgets.layouts import fill, grows, row


def result_text(run: ReadRun) -> str:
    """The measurements before and after training; empty if there are none."""
    details = run.details
    return result_sentences(
        details.answers, details.evaluations, details.retention, details.summary.steps
    )


def effort_text(run: ReadRun) -> str:
    """How the run ended, and its steps, time and size."""
    summary, message = run.details.summary, localized(run.details.message).removesuffix(".")
    planned = summary.planned_steps
    steps = tr("{steps:,} of {planned:,} steps", steps=summary.steps, planned=planned)
    is_failed = summary.outcome == "failed"  # the head shows the failure
    parts = [message if message and not is_failed else steps if planned else ""]
    if run.training_seconds:
        parts.append(tr("{time} of training", time=formatting.duration(run.training_seconds)))
    measured = [one.val_loss for one in run.details.evaluations if one.step]
    best = summary.best_val_loss
    # The result text already has the last loss.
    if best is not None and measured and best != measured[-1]:
        parts.append(tr("best validation loss {loss}", loss=formatting.loss(best)))
    parts.append(formatting.size(summary.size_bytes))
    return " · ".join(filter(None, parts))


class ResultCard(CardFrame):
    reveal_requested = Signal(object)
    """Argument: the path of the adapter's folder."""
    questions_requested = Signal()

    def __init__(self) -> None:
        super().__init__()
        self._adapter: Path | None = None
        self.text = label("", "result", wraps=True)
        self.effort = label("", "secondary", wraps=True)
        for part in (self.text, self.effort):
            part.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.where = ElidedLabel("", "secondary", Qt.TextElideMode.ElideMiddle)
        self.reveal = button(REVEAL_LABEL, self._ask_reveal, "link")
        self.questions = button(tr("Questions"), self.questions_requested.emit, "link")
        effort = row(grows(self.effort), self.questions)
        fill(self.inside, self.text, effort, row(self.where, self.reveal))

    def show_run(self, run: ReadRun) -> None:
        self._adapter = run.details.summary.adapter_dir
        say(self.text, result_text(run))
        say(self.effort, effort_text(run))
        self._show_wrong_questions(wrong_questions(run.details))
        where = tr("Adapter: {path}", path=self._adapter) if self._adapter else tr("No checkpoint.")
        self.where.setText(where)
        self.reveal.setVisible(self._adapter is not None)

    def _show_wrong_questions(self, found: list[tuple[str, WrongQuestion]]) -> None:
        forgotten = sum(wrong.kind == FORGOTTEN for _, wrong in found)
        words = (
            trn("Show {n:,} Forgotten Question", "Show {n:,} Forgotten Questions", forgotten)
            if forgotten
            else trn("Show {n:,} Wrong Answer", "Show {n:,} Wrong Answers", len(found))
        )
        self.questions.setText(words)
        self.questions.setVisible(bool(found))

    def _ask_reveal(self) -> None:
        if self._adapter is not None:
            self.reveal_requested.emit(self._adapter)
