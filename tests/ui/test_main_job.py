"""The main job in the real window on the real starter model."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QWidget
from pytestqt.qtbot import QtBot

from app.application import Nestling
from app.core.config.presets import demo_config
from app.core.config.training_config import TrainingConfig
from app.core.events import RunStarted, StageChanged
from app.core.files.paths import starter_dir
from app.ui.state.app_state import AppState
from app.ui.state.run_state import Phase
from app.ui.state.window_pages import Place

Drop = Callable[[QWidget, Path], bool]


@pytest.fixture
def starter(build: Callable[..., Nestling], qtbot: QtBot) -> Nestling:
    made = build()
    made.window.show()
    qtbot.waitUntil(lambda: made.runs.opened.plots_place.plots is not None)
    return made


@pytest.fixture
def state(nestling: Nestling, chat_file: Path, qtbot: QtBot) -> AppState:
    """Of a window that has read the chats, which are the plan's dataset."""
    state = nestling.state
    nestling.commands.open_path(chat_file)
    qtbot.waitUntil(lambda: state.dataset is not None and not state.is_inspecting)
    return state


def test_drop_start_watch_stop_and_find_the_adapter(
    starter: Nestling, drop: Drop, qtbot: QtBot
) -> None:
    state, train = starter.state, starter.new_run
    assert state.phase is Phase.IDLE
    assert drop(starter.window, starter_dir() / "sample" / "train.jsonl")
    qtbot.waitUntil(lambda: state.dataset is not None and not state.is_inspecting)
    assert "chat examples" in train.data.summary.text()
    state.change_config(steps=2000, steps_per_eval=1000)

    stages: list[str] = []
    state.run_event_received.connect(
        lambda event: stages.append(event.stage) if isinstance(event, StageChanged) else None
    )
    qtbot.mouseClick(train.header.start, Qt.MouseButton.LeftButton)
    assert state.phase is Phase.RUNNING
    head, progress = starter.runs.opened.head, starter.runs.opened.progress
    assert starter.runs.is_attempt_shown
    qtbot.waitUntil(lambda: state.step is not None and state.step.step >= 8)
    assert stages
    plots = starter.runs.opened.plots
    assert plots is not None
    qtbot.waitUntil(lambda: plots.series is starter.live_series.series)
    assert progress.metrics.figures["loss"].text() != "–"
    assert progress.bar.value() > 0

    qtbot.mouseClick(head.stop, Qt.MouseButton.LeftButton)
    assert state.phase is Phase.STOPPING
    qtbot.waitUntil(lambda: state.phase is Phase.FINISHED)
    qtbot.waitUntil(starter.runs.opened.result.isVisible)
    assert head.pill.text() == "Stopped"
    assert state.finished is not None

    starter.runs.show_list()
    qtbot.waitUntil(lambda: starter.runs.list.runs.rowCount() == 1)
    run = starter.runs.list.selection.run()
    assert run is not None
    assert run.adapter_dir == state.finished.adapter_dir
    assert run.adapter_dir is not None
    assert (run.adapter_dir / "adapters.safetensors").is_file()


def test_the_sample_data_button_brings_the_demo_and_its_scores(
    build: Callable[..., Nestling], tmp_path: Path, qtbot: QtBot
) -> None:
    nestling = build(replace(TrainingConfig(), rank=4))
    nestling.window.show()
    nestling.new_run.hero.sample.click()
    qtbot.waitUntil(nestling.actions.start.isEnabled)
    assert nestling.state.config == demo_config()
    few = tmp_path / "questions.jsonl"
    with nestling.state.config.eval_sets[0].open(encoding="utf-8") as questions:
        few.write_text("".join(questions.readlines()[:3]), encoding="utf-8")
    nestling.state.change_config(steps=2, eval_sets=(few,))
    nestling.actions.start.trigger()
    qtbot.waitUntil(lambda: not nestling.state.phase.is_active)
    opened = nestling.runs.opened
    assert nestling.state.phase is Phase.FINISHED, opened.progress.problem.text()
    qtbot.waitUntil(opened.result.isVisible)
    assert "Questions: learned " in opened.result.text.text()
    assert opened.head.pill.text() == "Finished"
    opened.head.more.delete.trigger()
    qtbot.waitUntil(lambda: nestling.runs.views.currentWidget() is nestling.runs.list)


def test_a_run_can_be_paused_and_resumed(nestling: Nestling, state: AppState, qtbot: QtBot) -> None:
    state.change_config(steps=100_000)
    nestling.actions.start.trigger()
    qtbot.waitUntil(lambda: state.step is not None)
    head, seen = nestling.runs.opened.head, phases_and_events(state)
    nestling.actions.pause.trigger()
    assert (state.phase, head.pill.text(), head.pause.text()) == (
        Phase.PAUSING, "Pausing…", "Resume",
    )  # fmt: skip
    qtbot.waitUntil(lambda: state.phase is Phase.PAUSED)
    assert head.pill.text() == "Paused"
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


def test_a_pause_revoked_at_once_has_no_effect(
    nestling: Nestling, state: AppState, qtbot: QtBot
) -> None:
    state.change_config(steps=50_000)
    nestling.actions.start.trigger()
    nestling.actions.pause.trigger()  # before the thread has begun
    assert state.phase is Phase.PAUSING
    nestling.actions.pause.trigger()
    assert (state.phase, nestling.runs.opened.head.pause.text()) == (Phase.RUNNING, "Pause")
    qtbot.waitUntil(lambda: state.step is not None)
    assert state.phase is Phase.RUNNING
    stop(nestling, qtbot)


def test_a_checkpoint_can_be_saved_at_any_time(
    nestling: Nestling, chat_file: Path, qtbot: QtBot
) -> None:
    state, opened = nestling.state, nestling.runs.opened
    train_for_long(nestling, chat_file, qtbot)
    qtbot.mouseClick(opened.head.save, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: state.checkpoint is not None)
    assert (state.checkpoint.path / "adapters.safetensors").is_file()
    qtbot.waitUntil(lambda: f"step {state.checkpoint.step:,}" in opened.progress.status.text())
    assert state.phase is Phase.RUNNING
    stop(nestling, qtbot)


def test_a_paused_run_works_up_to_the_checkpoint_that_is_asked_for_and_rests_again(
    nestling: Nestling, chat_file: Path, qtbot: QtBot
) -> None:
    state, opened = nestling.state, nestling.runs.opened
    train_for_long(nestling, chat_file, qtbot)
    nestling.actions.pause.trigger()
    qtbot.waitUntil(lambda: state.phase is Phase.PAUSED)
    step, seen = state.step.step, phases_and_events(state)
    qtbot.mouseClick(opened.head.save, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: seen[-1:] == [Phase.PAUSED])
    assert (state.checkpoint.path / "adapters.safetensors").is_file()
    assert f"step {state.checkpoint.step:,}" in opened.progress.status.text()
    assert state.step.step == state.checkpoint.step == step  # it rested between the two
    assert [phase for phase in seen if isinstance(phase, Phase)] == [Phase.PAUSING, Phase.PAUSED]
    stop(nestling, qtbot)


def train_for_long(nestling: Nestling, data: Path, qtbot: QtBot) -> None:
    """With no checkpoints but those that are asked for; until its first step is shown."""
    state = nestling.state
    nestling.commands.open_path(data)
    qtbot.waitUntil(lambda: state.dataset is not None and not state.is_inspecting)
    assert not nestling.actions.save.isEnabled()
    state.change_config(steps=50_000, steps_per_save=50_000, validation_split=0.0)
    nestling.actions.start.trigger()
    qtbot.waitUntil(lambda: state.step is not None)
    qtbot.waitUntil(nestling.runs.opened.head.save.isVisible)


def stop(nestling: Nestling, qtbot: QtBot) -> None:
    nestling.actions.stop.trigger()
    qtbot.waitUntil(lambda: not nestling.state.phase.is_active)


def test_bad_input_found_by_the_engine_is_shown_in_the_window(
    nestling: Nestling, state: AppState, qtbot: QtBot
) -> None:
    state.change_config(max_seq_length=8)
    nestling.actions.start.trigger()
    qtbot.waitUntil(lambda: state.phase is Phase.FAILED)
    assert "long" in nestling.runs.opened.progress.problem.text()
    assert nestling.actions.start.isEnabled()


def test_the_plots_include_the_steps_before_they_were_loaded(
    build: Callable[..., Nestling], tiny_model: Path, chat_file: Path, qtbot: QtBot
) -> None:
    nestling = build(TrainingConfig(model=tiny_model, data=chat_file, steps=3))
    nestling.control.start()
    qtbot.waitUntil(lambda: not nestling.state.phase.is_active)
    assert nestling.state.phase is Phase.FINISHED, nestling.state.run_failure
    assert isinstance(nestling.state.started, RunStarted)
    nestling.library_commands.open_run(nestling.state.started.run_dir)
    qtbot.waitUntil(lambda: nestling.runs.opened_run_dir is not None)
    plots = nestling.runs.opened.plots
    assert plots is not None
    assert plots.series is not None
    assert plots.series.last_step == 3


def test_two_runs_with_one_name_get_distinct_names(
    nestling: Nestling, state: AppState, qtbot: QtBot
) -> None:
    state.change_config(name="survey", steps=2)
    for name in ("survey", "survey (2)"):
        qtbot.waitUntil(nestling.actions.start.isEnabled)
        nestling.actions.start.trigger()
        qtbot.waitUntil(lambda: not state.phase.is_active)
        qtbot.waitUntil(nestling.runs.opened.result.isVisible)
        assert nestling.runs.opened.head.name.text() == name
    names = ["survey (2)", "survey"]
    runs = nestling.runs.list.runs
    qtbot.waitUntil(lambda: [runs.at(row).name for row in range(runs.rowCount())] == names)
    assert [text for text, _ in nestling.recent.items() if "(run)" in text] == [
        f"{name} (run)" for name in names
    ]
    nestling.window.show_place(Place.PLAYGROUND)
    chooser = nestling.playground.chooser.run
    qtbot.waitUntil(lambda: chooser.count() == 2)
    assert [chooser.itemText(row).split("   ")[0] for row in range(2)] == names
