"""Learning and keeping in the terminal: the presets in the help, the end of a run in words."""

from pathlib import Path

import pytest

from app.cli.arguments import parse
from app.cli.run_output import TerminalProgress
from app.core.config.presets import PRESETS, demo_config
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
        "Validation loss fell from 6.300 to 0.130; the model ended 0.457 nats per token from its "
        "base on everyday text. New facts: 27 of 29 right, 0 before.",
    ]


def test_a_run_that_failed_says_nothing_of_its_result(capsys: pytest.CaptureFixture[str]) -> None:
    progress = TerminalProgress()
    progress(EvaluationFinished(0, 6.3, True))
    progress(RunFinished("failed", Path("run"), None, 0, "No memory is left."))
    assert "fell" not in capsys.readouterr().out.splitlines()[-1]


def test_the_demo_measures_what_it_learns_and_what_it_keeps() -> None:
    config = demo_config()
    assert config.measure_forgetting
    assert [path.stem for path in config.eval_sets] == ["new_facts", "retention"]


def test_the_help_of_train_names_each_preset_whole(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse(["train", "--help"])
    told = capsys.readouterr().out
    for each in PRESETS:
        assert f"\n  {each.name}  " in told
