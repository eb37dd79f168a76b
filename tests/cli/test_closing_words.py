"""The end of a run in the terminal: what was learned and kept, in one place."""

from pathlib import Path

import pytest

from app.cli.progress import TerminalProgress
from app.core.events import EvaluationFinished, RetentionMeasured, RunFinished, ScoreMeasured


def test_a_run_ends_with_what_it_learned_and_kept(capsys: pytest.CaptureFixture[str]) -> None:
    progress = TerminalProgress()
    for event in (
        ScoreMeasured("new_facts", "before", 0, 29),
        RetentionMeasured(0, 0.0, 4),
        EvaluationFinished(0, 6.3, True),
        EvaluationFinished(150, 0.13, True),
        RetentionMeasured(150, 0.5, 4),
        EvaluationFinished(150, 0.06, False, is_last=True),
        RetentionMeasured(150, 0.4567, 24, True),
        ScoreMeasured("new_facts", "after", 27, 29),
        RunFinished("finished", Path("run"), None, 150, "All 150 steps are done."),
    ):
        progress(event)
    assert capsys.readouterr().out.splitlines()[-2:] == [
        "All 150 steps are done.",
        "Validation loss fell from 6.300 to 0.130; the model moved 0.457 nats per token from its "
        "base on everyday text. New facts: 27 of 29 right, 0 before.",
    ]


def test_a_run_that_failed_says_nothing_of_its_result(capsys: pytest.CaptureFixture[str]) -> None:
    progress = TerminalProgress()
    progress(EvaluationFinished(0, 6.3, True))
    progress(RunFinished("failed", Path("run"), None, 0, "No memory is left."))
    assert "fell" not in capsys.readouterr().out.splitlines()[-1]
