"""The result of a run in words, from what its folder recorded."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from app.core.events import RetentionMeasured
from app.ui.run.result import (
    Score,
    effort_text,
    result_text,
    retention_sentence,
    score_sentence,
    scores,
)
from app.ui.run.run_reading import read_run


def test_a_result_is_what_was_measured(make_run: Callable[..., Path], tmp_path: Path) -> None:
    run = read_run(make_run(tmp_path / "a", saves=(4, 8)))
    assert result_text(run) == "Validation loss rose from 1.000 to 2.000 since step 4."
    assert effort_text(run).startswith("Done")
    assert "best validation loss 1.000" in effort_text(run)


def test_scores_are_told_with_what_they_were_before() -> None:
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
    found = scores(both)
    assert found == [Score("new_facts", 0, 27, 29), Score("late", None, 1, 2)]
    assert [score_sentence(score) for score in found] == [
        "New facts: 27 of 29 right, 0 before.",
        "Late: 1 of 2 right.",
    ]
    assert scores({"scores": "none"}) == scores({}) == []


def test_the_change_from_the_base_is_the_last_one_measured(
    make_run: Callable[..., Path], tmp_path: Path
) -> None:
    details = read_run(make_run(tmp_path / "a", saves=(4, 8))).details
    assert retention_sentence(details) == ""
    measured = (RetentionMeasured(4, 0.5, 4), RetentionMeasured(8, 0.054321, 24, True))
    assert retention_sentence(replace(details, retention=measured)) == (
        "Change from the base model: 0.0543 nats per token on everyday text."
    )
