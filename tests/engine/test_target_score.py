"""A run ends once its model answers enough of the first question set."""

import threading
from dataclasses import replace
from pathlib import Path

import pytest

from app.core.config.training_config import TrainingConfig
from app.core.events import LogMessage, RunFinished, ScoreMeasured, StageChanged, StepFinished
from app.core.files.paths import starter_dir, starter_model_dir
from app.engine.training.checkpoints import last_checkpoint
from app.engine.training.trainer import resume, train
from app.library.reading.run_details import read_details


@pytest.fixture
def config(tmp_path: Path) -> TrainingConfig:
    """The starter model answers all of the first set before it is trained, none of the second."""
    lines = (starter_dir() / "retention.jsonl").read_text(encoding="utf-8").splitlines()
    (tmp_path / "old_facts.jsonl").write_text("\n".join(lines[:8]), encoding="utf-8")
    return TrainingConfig(
        model=starter_model_dir(), data=starter_dir() / "sample", output=tmp_path / "run",
        eval_sets=(tmp_path / "old_facts.jsonl", starter_dir() / "sample" / "new_facts.jsonl"),
        steps=6, batch_size=2, rank=2, learning_rate=1e-5, validation_split=0.0,
        target_score=0.75, steps_per_score=4,
    )  # fmt: skip


def test_it_ends_at_the_first_step_that_asks_and_is_a_finished_run(config: TrainingConfig) -> None:
    events = list(train(config))
    ending = events[-1]
    assert isinstance(ending, RunFinished)
    assert (ending.outcome, ending.steps) == ("finished", 4)
    assert "Ended early at step 4: 8 of 8 questions of “old facts” are answered." in ending.message
    after = [e for e in events if isinstance(e, ScoreMeasured) and e.when == "after"]
    assert {score.name: score.correct for score in after}["old facts"] == 8
    details = read_details(config.output or Path())
    assert details.summary.steps == 4
    assert not details.summary.can_resume
    assert last_checkpoint(config.output or Path()).name == "step-000004"


def test_it_makes_all_steps_where_the_score_is_not_reached(config: TrainingConfig) -> None:
    """Nor does it go by another set than the first."""
    harder = replace(config, eval_sets=tuple(reversed(config.eval_sets)))
    ending = list(train(harder))[-1]
    assert isinstance(ending, RunFinished)
    assert (ending.outcome, ending.steps) == ("finished", 6)


def test_a_run_that_is_cut_off_at_that_step_ends_there_when_it_is_resumed(
    config: TrainingConfig,
) -> None:
    asked = threading.Event()
    step = 0
    for event in train(config, should_stop=asked.is_set):
        if isinstance(event, StepFinished):
            step = event.step
        if step == 4 and isinstance(event, StageChanged):
            asked.set()
    run = config.output or Path()
    assert (read_details(run).summary.outcome, step) == ("stopped", 4)
    events = list(resume(run))
    ending = events[-1]
    assert isinstance(ending, RunFinished)
    assert (ending.outcome, ending.steps) == ("finished", 4)


def test_without_a_question_set_the_log_says_that_it_can_t(config: TrainingConfig) -> None:
    events = list(train(replace(config, eval_sets=(), steps=1)))
    notes = [event.text for event in events if isinstance(event, LogMessage)]
    assert "There is no question set, so the run can't end at a score." in notes
