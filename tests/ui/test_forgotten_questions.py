"""From a run's result to the questions that it forgot or did not learn."""

from collections.abc import Callable
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from pytestqt.qtbot import QtBot

from app.core.events import KNOWN_QUESTIONS, ScoreMeasured, WrongAnswer
from app.core.files.paths import runs_dir
from app.core.wording.results import (
    FORGOTTEN,
    NOT_LEARNED,
    WRONG,
    answers_by_set,
    wrong_question_lines,
)
from app.ui.run.run_view import QUESTIONS
from tests.ui.page_windows import Library

MakeRun = Callable[..., Path]
LOST = WrongAnswer("Which tool does a gardener use?", "A spade.", "A hammer.")
NEVER = WrongAnswer("What is Taman Meadowwood by trade?", "A miller.", "A baker.")
SCORES = (
    ScoreMeasured("new_facts", "before", 0, 29, (NEVER,)),
    ScoreMeasured("new_facts", "after", 28, 29, (NEVER,)),
    ScoreMeasured(KNOWN_QUESTIONS, "before", 60, 60),
    ScoreMeasured(KNOWN_QUESTIONS, "after", 59, 60, (LOST,)),
)


def listed(library: Library) -> list[list[str]]:
    model = library.runs.opened.questions.model
    columns = range(model.columnCount())
    return [
        [str(model.data(model.index(row, column))) for column in columns]
        for row in range(model.rowCount())
    ]


def test_a_click_on_the_number_shows_the_questions(
    make_run: MakeRun, library: Library, qtbot: QtBot
) -> None:
    library.open_run(make_run(runs_dir() / "a", scores=SCORES), qtbot)
    view = library.runs.opened
    assert view.result.questions.text() == "Show 1 Forgotten Question"
    qtbot.mouseClick(view.result.questions, Qt.MouseButton.LeftButton)
    assert view.parts.currentWidget().isAncestorOf(view.questions)
    assert view.questions.table.isVisible()
    assert listed(library) == [
        ["Forgotten", "Known questions", LOST.question, LOST.expected, LOST.answer],
        ["Not learned", "New facts", NEVER.question, NEVER.expected, NEVER.answer],
    ]


def test_a_run_without_wrong_answers_says_so(
    make_run: MakeRun, library: Library, qtbot: QtBot
) -> None:
    right = ScoreMeasured("new_facts", "after", 29, 29)
    old = ScoreMeasured("new_facts", "after", 20, 29)
    for name, scores, words in (
        ("right", (right,), "All questions were answered correctly."),
        ("none", (), "No questions were asked after training."),
        ("old", (old,), "This run didn't record its wrong answers."),
    ):
        library.open_run(make_run(runs_dir() / name, scores=scores), qtbot)
        library.runs.opened.show_part(QUESTIONS)
        assert library.runs.opened.questions.note.text() == words
        assert not library.runs.opened.result.questions.isVisible()


def test_markup_and_control_characters_are_shown_as_text(
    make_run: MakeRun, library: Library, qtbot: QtBot
) -> None:
    odd = ScoreMeasured("odd", "after", 0, 1, (WrongAnswer("<b>a\x00", "b\n\x1b[31m", "c"),))
    library.open_run(make_run(runs_dir() / "a", scores=(odd,)), qtbot)
    assert listed(library) == [["Wrong", "Odd", "<b>a", "b [31m", "c"]]


@pytest.mark.parametrize(
    ("before", "kind"),
    [
        (None, WRONG),
        (ScoreMeasured("s", "before", 0, 3), NOT_LEARNED),
        (ScoreMeasured("s", "before", 3, 3), FORGOTTEN),
        (ScoreMeasured("s", "before", 2, 3, (LOST,)), FORGOTTEN),
        (ScoreMeasured("s", "before", 2, 3, (NEVER,)), NOT_LEARNED),
        (ScoreMeasured("s", "before", 1, 3, (NEVER,)), WRONG),  # one of them is not recorded
    ],
)
def test_forgotten_questions_were_right_before(before: ScoreMeasured | None, kind: str) -> None:
    after = ScoreMeasured("s", "after", 2, 3, (NEVER,))
    (answers,) = answers_by_set([one for one in (before, after) if one])
    assert [lapse.kind for lapse in answers.wrong_questions] == [kind]


def test_chats_with_the_same_last_question_are_distinguished() -> None:
    """By their expected answers."""
    question = "And its capital?"
    oslo, rome = (WrongAnswer(question, city, "Paris") for city in ("Oslo", "Rome"))
    before = ScoreMeasured("s", "before", 1, 2, (oslo,))
    (answers,) = answers_by_set([before, ScoreMeasured("s", "after", 0, 2, (oslo, rome))])
    assert {lapse.expected: lapse.kind for lapse in answers.wrong_questions} == {
        "Rome": FORGOTTEN, "Oslo": NOT_LEARNED
    }  # fmt: skip


def test_the_terminal_writes_each_question_on_one_line() -> None:
    lost = WrongAnswer("def f():\n  return 1\nWhat does f return?", "1", "2")
    answers = answers_by_set([ScoreMeasured("new_facts", "after", 8, 29, (lost,))])
    assert list(wrong_question_lines(answers)) == [
        "Wrong (New facts): def f():   return 1 What does f return? | expected: 1 | answer: 2",
        "More wrong answers in New facts: 1.",
    ]


def test_a_run_in_progress_asks_when_it_ends(
    make_run: MakeRun, library: Library, qtbot: QtBot
) -> None:
    library.open_run(make_run(runs_dir() / "a"), qtbot)
    view = library.runs.opened
    assert view.run is not None
    view.questions.show_run(view.run.details, is_live=True)
    assert view.questions.note.text() == "Questions are asked when training ends."
