"""The result of a run in words, from what its folder recorded."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from app.core.events import RetentionMeasured
from app.core.wording.results import Answers, score_sentence
from app.ui.run.result_card import effort_text, result_text
from app.ui.state.run_loading import read_run


def test_a_result_states_the_measurements(make_run: Callable[..., Path], tmp_path: Path) -> None:
    run = read_run(make_run(tmp_path / "a", saves=(4, 8)))
    assert result_text(run) == "Validation loss rose from 1.000 to 2.000 since step 4."
    assert effort_text(run).startswith("Done")
    assert "best validation loss 1.000" in effort_text(run)
    run = read_run(make_run(tmp_path / "b", saves=(4,)))
    assert "1.000" in result_text(run)
    assert "1.000" not in effort_text(run), "the result says it"


def test_scores_are_shown_with_those_from_before(
    make_run: Callable[..., Path], tmp_path: Path
) -> None:
    details = read_run(make_run(tmp_path / "a")).details
    both = {
        "scores": [
            {"name": "new_facts", "when": "before", "correct": 0, "total": 29},
            {"name": "new_facts", "when": "after", "correct": 27, "total": 29},
            {"name": "other", "when": "before", "correct": 1, "total": 2},
            {"name": "late", "when": "after", "correct": 1, "total": 2},
            {"name": 7, "when": "after", "correct": 1, "total": 2},
            {"name": "odd", "when": "after", "correct": "all", "total": 2},
            "no score",
        ]
    }
    found = replace(details, facts=both).answers
    assert found == [Answers("new_facts", 0, 27, 29), Answers("late", None, 1, 2)]
    assert [score_sentence(*score[:4]) for score in found] == [
        "New facts: learned 27 of 29.",
        "Late: 1 of 2 right.",
    ]
    assert replace(details, facts={"scores": "none"}).answers == []
    assert replace(details, facts={}).answers == []


def test_the_first_sentence_reports_learning_and_retention(
    make_run: Callable[..., Path], tmp_path: Path
) -> None:
    run = read_run(make_run(tmp_path / "a", saves=(4, 8)))
    measured = (RetentionMeasured(4, 0.5, 24), RetentionMeasured(8, 0.054321, 24, True))
    facts = {"scores": [{"name": "old", "when": "after", "correct": 1, "total": 2}]}
    scored = replace(run, details=replace(run.details, retention=measured, facts=facts))
    assert result_text(scored) == (
        "Old: 1 of 2 right. Validation loss rose from 1.000 to 2.000 since step 4. Change from "
        "base: 0.0543 nats per token on 24 everyday texts, 0.500 before."
    )
    only = replace(scored, details=replace(scored.details, evaluations=(), facts={}))
    assert result_text(only) == (
        "Change from base: 0.0543 nats per token on 24 everyday texts, 0.500 before."
    )
    fewer = (RetentionMeasured(4, 0.5, 4), measured[1])  # other texts: no "before"
    assert result_text(replace(only, details=replace(only.details, retention=fewer))) == (
        "Change from base: 0.0543 nats per token on 24 everyday texts."
    )
