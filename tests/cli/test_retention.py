"""Learning and keeping in the terminal: the presets in the help, the end of a run in words."""

from pathlib import Path

import pytest

from app.cli.arguments import parse
from app.cli.event_output import TerminalProgress
from app.core.config.learning_methods import LEARN_AND_KEEP, learning_method
from app.core.config.presets import PRESETS, demo_config
from app.core.events import EvaluationFinished, RetentionMeasured, RunFinished, ScoreMeasured
from app.core.wording.results import result_sentences


def test_a_run_ends_with_its_learning_and_retention(capsys: pytest.CaptureFixture[str]) -> None:
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
        "New facts: learned 27 of 29. Validation loss fell from 6.300 to 0.130. Change "
        "from base: 0.457 nats per token on 24 everyday texts.",
    ]


def test_a_stopped_run_states_the_step_of_each_measurement() -> None:
    start = [EvaluationFinished(0, 6.3, True)], [RetentionMeasured(0, 0.0, 4)]
    assert result_sentences((), *start, 15) == "Nothing was measured after the run's start."
    assert result_sentences((), [], [], 15) == ""
    later = [RetentionMeasured(0, 0.0, 4), RetentionMeasured(10, 0.25, 4)]
    assert result_sentences((), [], later, 15) == (
        "Change from base at step 10: 0.250 nats per token on 4 everyday texts."
    )


def test_a_run_that_continues_another_says_where_it_began() -> None:
    measured = [RetentionMeasured(0, 1.85, 4), RetentionMeasured(20, 1.32, 4)]
    assert result_sentences((), [], measured, 20) == (
        "Change from base: 1.320 nats per token on 4 everyday texts, 1.850 before."
    )


def test_a_failed_run_reports_no_result(capsys: pytest.CaptureFixture[str]) -> None:
    progress = TerminalProgress()
    progress(EvaluationFinished(0, 6.3, True))
    progress(RunFinished("failed", Path("run"), None, 0, "No memory is left."))
    assert "fell" not in capsys.readouterr().out.splitlines()[-1]


def test_the_demo_measures_learning_and_retention() -> None:
    config = demo_config()
    assert config.measure_forgetting
    assert learning_method(config) is LEARN_AND_KEEP
    assert [path.stem for path in config.eval_sets] == ["new_facts", "retention"]


def test_the_help_of_train_names_each_preset_whole(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse(["train", "--help"])
    output = capsys.readouterr().out
    for each in PRESETS:
        assert f"\n  {each.name}  " in output
