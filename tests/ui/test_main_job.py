"""The main job in the real window on the real starter model."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QWidget
from pytestqt.qtbot import QtBot

from app.application import Nestling
from app.core.config import TrainingConfig
from app.core.demo import demo_config
from app.core.events import RunStarted, StageChanged
from app.core.paths import starter_dir
from app.ui.app_state import AppState, Phase
from app.ui.main_window import LIBRARY

Drop = Callable[[QWidget, Path], bool]


@pytest.fixture
def starter(build: Callable[..., Nestling], qtbot: QtBot) -> Nestling:
    made = build()
    made.window.show()
    qtbot.waitUntil(lambda: made.train.plots_place.plots is not None)
    return made


def test_drop_start_watch_stop_and_find_the_adapter(
    starter: Nestling, drop: Drop, qtbot: QtBot
) -> None:
    state, train = starter.state, starter.train
    assert state.phase is Phase.EMPTY
    assert drop(starter.window, starter_dir() / "sample" / "train.jsonl")
    qtbot.waitUntil(lambda: state.phase is Phase.READY and not state.is_inspecting)
    assert "chat examples" in train.data.summary.text()
    state.change_config(steps=2000, steps_per_eval=1000)

    stages: list[str] = []
    state.run_event_received.connect(
        lambda event: stages.append(event.stage) if isinstance(event, StageChanged) else None
    )
    qtbot.mouseClick(train.header.start, Qt.MouseButton.LeftButton)
    assert state.phase is Phase.RUNNING
    assert not train.header.start.isEnabled()
    qtbot.waitUntil(lambda: state.step is not None and state.step.step >= 8)
    assert stages
    plots = train.plots_place.plots
    assert plots is not None
    assert plots.series is not None
    assert train.header.metrics.figures["loss"].text() != "–"
    assert train.header.bar.value() > 0

    qtbot.mouseClick(train.header.stop, Qt.MouseButton.LeftButton)
    assert state.phase is Phase.STOPPING
    qtbot.waitUntil(lambda: state.phase is Phase.FINISHED)
    assert train.header.pill.text() == "Stopped"
    assert state.finished is not None

    starter.window.show_page(LIBRARY)
    qtbot.waitUntil(lambda: starter.library.list.runs.rowCount() == 1)
    run = starter.library.list.selected_run()
    assert run is not None
    assert run.adapter_dir == state.finished.adapter_dir
    assert run.adapter_dir is not None
    assert (run.adapter_dir / "adapters.safetensors").is_file()


def test_the_sample_data_button_brings_the_demo_and_its_scores(
    build: Callable[..., Nestling], tmp_path: Path, qtbot: QtBot
) -> None:
    nestling = build(replace(TrainingConfig(), rank=4))
    nestling.window.show()
    nestling.train.hero.sample.click()
    qtbot.waitUntil(nestling.actions.start.isEnabled)
    assert nestling.state.config == demo_config()
    few = tmp_path / "questions.jsonl"
    with nestling.state.config.question_sets[0].open(encoding="utf-8") as questions:
        few.write_text("".join(questions.readlines()[:3]), encoding="utf-8")
    nestling.state.change_config(steps=2, question_sets=(few,))
    nestling.actions.start.trigger()
    qtbot.waitUntil(lambda: not nestling.state.phase.is_active)
    assert nestling.state.phase is Phase.FINISHED, nestling.train.header.problem.text()
    assert nestling.train.scores.isVisible()
    assert "→" in nestling.train.scores.text.text()
    assert nestling.train.header.pill.text() == "Finished"


def test_a_run_can_be_paused_and_goes_on(nestling: Nestling, chat_file: Path, qtbot: QtBot) -> None:
    state = nestling.state
    nestling.commands.open_path(chat_file)
    qtbot.waitUntil(lambda: state.phase is Phase.READY and not state.is_inspecting)
    state.change_config(steps=5000)
    nestling.actions.start.trigger()
    qtbot.waitUntil(lambda: state.step is not None)
    header, seen = nestling.train.header, phases_and_events(state)
    nestling.actions.pause.trigger()
    assert (state.phase, header.pill.text(), header.pause.text()) == (
        Phase.PAUSING, "Pausing…", "Resume",
    )  # fmt: skip
    qtbot.waitUntil(lambda: state.phase is Phase.PAUSED)
    assert header.pill.text() == "Paused"
    step = state.step.step
    nestling.actions.pause.trigger()
    assert state.phase is Phase.PAUSED  # until the thread says that it works again
    qtbot.waitUntil(lambda: state.step.step > step)
    assert state.phase is Phase.RUNNING
    rest = seen.index(Phase.PAUSED)
    assert seen[rest + 1] is Phase.RUNNING, "nothing comes from a run that rests"
    assert seen.count(Phase.PAUSED) == 1


def phases_and_events(state: AppState) -> list[object]:
    """As they come from now on."""
    seen: list[object] = []
    state.phase_changed.connect(lambda: seen.append(state.phase))
    state.run_event_received.connect(seen.append)
    return seen


def test_a_pause_that_is_taken_back_at_once_is_none(
    nestling: Nestling, chat_file: Path, qtbot: QtBot
) -> None:
    state = nestling.state
    nestling.commands.open_path(chat_file)
    qtbot.waitUntil(lambda: state.phase is Phase.READY and not state.is_inspecting)
    state.change_config(steps=50_000)
    nestling.actions.start.trigger()
    nestling.actions.pause.trigger()  # before the thread has begun
    assert state.phase is Phase.PAUSING
    nestling.actions.pause.trigger()
    assert (state.phase, nestling.train.header.pause.text()) == (Phase.RUNNING, "Pause")
    qtbot.waitUntil(lambda: state.step is not None)
    assert state.phase is Phase.RUNNING
    stop(nestling, qtbot)


def test_a_checkpoint_can_be_saved_at_any_time(
    nestling: Nestling, chat_file: Path, qtbot: QtBot
) -> None:
    state, header = nestling.state, nestling.train.header
    train_for_long(nestling, chat_file, qtbot)
    qtbot.mouseClick(header.save, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: state.checkpoint is not None)
    assert (state.checkpoint.path / "adapters.safetensors").is_file()
    qtbot.waitUntil(lambda: f"step {state.checkpoint.step:,}" in header.status.text())
    assert state.phase is Phase.RUNNING
    stop(nestling, qtbot)


def test_a_paused_run_works_up_to_the_checkpoint_that_is_asked_for_and_rests_again(
    nestling: Nestling, chat_file: Path, qtbot: QtBot
) -> None:
    state, header = nestling.state, nestling.train.header
    train_for_long(nestling, chat_file, qtbot)
    nestling.actions.pause.trigger()
    qtbot.waitUntil(lambda: state.phase is Phase.PAUSED)
    step, seen = state.step.step, phases_and_events(state)
    qtbot.mouseClick(header.save, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: seen[-1:] == [Phase.PAUSED])
    assert (state.checkpoint.path / "adapters.safetensors").is_file()
    assert f"step {state.checkpoint.step:,}" in header.status.text()
    assert state.step.step == state.checkpoint.step == step  # it rested between the two
    assert [phase for phase in seen if isinstance(phase, Phase)] == [Phase.PAUSING, Phase.PAUSED]
    stop(nestling, qtbot)


def train_for_long(nestling: Nestling, data: Path, qtbot: QtBot) -> None:
    """With no checkpoints but those that are asked for; until its first step is shown."""
    state = nestling.state
    nestling.commands.open_path(data)
    qtbot.waitUntil(lambda: state.phase is Phase.READY and not state.is_inspecting)
    assert not nestling.actions.save.isEnabled()
    state.change_config(steps=50_000, steps_per_save=50_000, validation_share=0.0)
    nestling.actions.start.trigger()
    qtbot.waitUntil(lambda: state.step is not None)
    qtbot.waitUntil(nestling.train.header.save.isVisible)


def stop(nestling: Nestling, qtbot: QtBot) -> None:
    nestling.actions.stop.trigger()
    qtbot.waitUntil(lambda: not nestling.state.phase.is_active)


def test_bad_input_found_by_the_engine_is_told_in_the_window(
    nestling: Nestling, chat_file: Path, qtbot: QtBot
) -> None:
    state = nestling.state
    nestling.commands.open_path(chat_file)
    qtbot.waitUntil(lambda: state.phase is Phase.READY and not state.is_inspecting)
    state.change_config(max_seq_length=8)
    nestling.actions.start.trigger()
    qtbot.waitUntil(lambda: state.phase is Phase.FAILED)
    assert "long" in nestling.train.header.problem.text()
    assert nestling.train.header.start.isEnabled()


def test_what_happened_before_the_plots_were_loaded_is_in_them(
    build: Callable[..., Nestling], tiny_model: Path, chat_file: Path, qtbot: QtBot
) -> None:
    nestling = build(TrainingConfig(model=tiny_model, data=chat_file, steps=3))
    nestling.control.start()
    qtbot.waitUntil(lambda: not nestling.state.phase.is_active)
    assert nestling.state.phase is Phase.FINISHED, nestling.train.header.problem.text()
    assert isinstance(nestling.state.started, RunStarted)
    list(nestling.train.plots_place.loading())
    plots = nestling.train.plots_place.plots
    assert plots is not None
    assert plots.series is not None
