"""The run in progress, measured once for all who draw it."""

from pathlib import Path

import pytest
from PySide6.QtWidgets import QApplication

from app.core.config.training_config import TrainingConfig
from app.core.events import EvaluationFinished, RetentionMeasured
from app.library.run.metrics import read_steps
from app.library.run.step_table import empty_table
from app.ui.state.app_state import AppState
from app.ui.state.live_run import LiveSeries
from app.ui.state.run_loading import RunToResume
from tests.conftest import write_run
from tests.library.made_up import made_up_step, run_started


@pytest.fixture
def state(qapp: QApplication) -> AppState:
    return AppState(TrainingConfig())


def test_events_before_a_run_begins_belong_to_no_run(state: AppState) -> None:
    live, grown = LiveSeries(state), []
    live.grown.connect(lambda: grown.append(1))
    state.take_event(made_up_step(1))
    state.take_event(EvaluationFinished(1, 1.0, True))
    assert live.series is None
    assert grown == []
    state.take_event(run_started(Path("run")))
    state.take_event(EvaluationFinished(0, 3.0, True))
    state.take_event(made_up_step(1))
    assert live.series is not None
    assert (live.series.last_step, len(live.series.validation), len(grown)) == (1, 1, 2)


def test_a_resumed_run_begins_with_its_earlier_measurements(
    state: AppState, tmp_path: Path
) -> None:
    live = LiveSeries(state)
    table = read_steps(write_run(tmp_path / "run"))
    earlier = RunToResume(TrainingConfig(), table, (EvaluationFinished(8, 1.0, True),))
    state.begin_run(TrainingConfig(), earlier)
    state.take_event(run_started(tmp_path / "run"))
    state.take_event(made_up_step(9))
    assert live.series is not None
    assert list(live.series.losses.steps) == list(range(1, 10))
    assert list(live.series.validation.steps) == [8]


def test_a_new_run_leaves_nothing_of_the_last(state: AppState) -> None:
    live, begun = LiveSeries(state), []
    live.begun.connect(lambda: begun.append(live.series))
    state.take_event(run_started(Path("run")))
    state.take_event(made_up_step(1))
    state.begin_run(TrainingConfig())
    assert live.series is None
    state.take_event(run_started(Path("other")))
    assert live.series is not None
    assert not live.series.has_steps
    assert begun[1] is None
    assert len(begun) == 3


def test_forgetting_that_was_measured_before_and_is_now_is_one_curve(state: AppState) -> None:
    live = LiveSeries(state)
    before = (RetentionMeasured(4, 0.1, 8), RetentionMeasured(8, 0.2, 8))
    state.begin_run(TrainingConfig(), RunToResume(TrainingConfig(), empty_table(), (), before))
    state.take_event(run_started(Path("run")))
    state.take_event(RetentionMeasured(12, 0.3, 8))
    assert live.series is not None
    assert list(live.series.retention.steps) == [4, 8, 12]
