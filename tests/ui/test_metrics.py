"""The run's figures side by side, however long they get."""

from pathlib import Path

from pytestqt.qtbot import QtBot

from app.core.config.training_config import TrainingConfig
from app.ui.run.run_metrics import Metrics
from app.ui.state.app_state import AppState
from app.ui.state.run_pace import RunPace
from tests.library.made_up import made_up_step, run_started

WIDTH_PX = 570


def test_figures_that_get_longer_take_a_second_row_and_never_widen_the_page(
    qtbot: QtBot, tmp_path: Path
) -> None:
    state = AppState(TrainingConfig())
    metrics = Metrics(state, RunPace(state))
    qtbot.addWidget(metrics)
    metrics.resize(WIDTH_PX, 100)
    metrics.show()

    def rows() -> int:
        metrics.layout().activate()  # type: ignore[union-attr]
        return len({cell.y() for cell in metrics._cells})

    assert rows() == 1
    state.take_event(run_started(tmp_path, 1_000_000, (1, 2), 4))
    state.take_event(made_up_step(123_456, (1, 2), 4))
    metrics.refresh()
    assert rows() == 2
    assert metrics.minimumSizeHint().width() < WIDTH_PX
    metrics.resize(2 * WIDTH_PX, 100)
    assert rows() == 1
