"""Lists the questions that a run answered incorrectly, with the expected answer and the model's."""

from typing import TYPE_CHECKING

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QWidget

from app.core.text.sanitize import single_line
from app.core.text.translation import tr
from app.core.wording.results import FORGOTTEN, WrongQuestion, set_title
from app.ui.look.theme import Theme
from app.ui.tables.row_table import Verb, make_table, wrap_rows
from app.ui.tables.table_model import Column, TableModel
from app.ui.widgets.basic_widgets import label, say
from app.ui.widgets.layouts import GRID_PX, grows, lay_out

if TYPE_CHECKING:
    from app.library.reading.run_details import RunDetails

ListedQuestion = tuple[str, WrongQuestion]
"""The name of the question set, and the question."""


def wrong_questions(details: "RunDetails") -> list[ListedQuestion]:
    """The wrong answers of all question sets, forgotten questions first."""
    found = [(one.name, question) for one in details.answers for question in one.wrong_questions]
    return sorted(found, key=lambda entry: entry[1].kind != FORGOTTEN)


class QuestionsView(QWidget):
    question_requested = Signal(str)
    """Argument: the question to ask in the Playground."""

    def __init__(self) -> None:
        super().__init__()
        self.model: TableModel[ListedQuestion] = TableModel(
            (
                Column(tr("Result"), lambda entry: tr(entry[1].kind), tone=_tone),
                Column(tr("Set"), lambda entry: set_title(entry[0])),
                Column(tr("Question"), lambda entry: entry[1].question),
                Column(tr("Expected"), lambda entry: entry[1].expected),
                Column(
                    tr("Model's Answer"),
                    lambda entry: (single_line(entry[1].answer) and entry[1].answer) or "–",
                ),
            ),
            problem=lambda _: "",
        )
        self.table = make_table(self.model, tr("Wrong answers"), (2, 3, 4))
        wrap_rows(self.table)
        self.table.set_verbs(Verb(tr("Ask in Playground"), self._ask, self._is_one_selected))
        self.note = label("", "secondary", wraps=True)
        lay_out(self, self.note, grows(self.table), spacing=GRID_PX + 4)

    def show_run(self, details: "RunDetails", *, is_live: bool = False) -> None:
        answers, listed = details.answers, wrong_questions(details)
        self.model.show_rows(listed)
        wrong = sum(one.total - one.after for one in answers)
        if is_live and not answers:
            say(self.note, tr("Questions are asked when training ends."))
        else:
            say(self.note, _note(bool(answers), wrong, len(listed)))

    def _is_one_selected(self) -> bool:
        return len(self.table.selectionModel().selectedRows()) == 1

    def _ask(self) -> None:
        (chosen,) = self.table.selectionModel().selectedRows()
        self.question_requested.emit(self.model.at(chosen.row())[1].question)

    def set_theme(self, theme: Theme) -> None:
        self.model.set_theme(theme)


def _tone(entry: ListedQuestion) -> str:
    return "danger" if entry[1].kind == FORGOTTEN else "warning"


def _note(is_asked: bool, wrong: int, listed: int) -> str:
    """Why the list has fewer questions than were answered incorrectly, or none at all."""
    if not is_asked:
        return tr("No questions were asked after training.")
    if not wrong:
        return tr("All questions were answered correctly.")
    if not listed:
        return tr("This run didn't record its wrong answers.")
    missing = tr("{n:,} of {total:,} wrong answers are listed.", n=listed, total=wrong)
    return missing if listed < wrong else ""
