"""The plan over quitting, and the sample's settings that stay with the sample. No window."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from PySide6.QtWidgets import QApplication

from app.core.config.learning_methods import (
    BY_TIERS,
    JUST_LEARN,
    LEARN_AND_KEEP,
    LearningMethod,
    learning_method,
    with_learning_method,
)
from app.core.config.presets import demo_config, preset
from app.core.config.training_config import MixedDataset, TierConfig, TrainingConfig
from app.ui.state.app_state import AppState
from app.ui.state.plan_memory import PlanMemory, remembered_plan, restored_defaults
from app.ui.system.stored_preferences import MOST, Preferences, Recent
from app.workers.background_thread import BackgroundThread

OWN = TrainingConfig(model=Path("/models/own"), steps=700, learning_rate=2e-4)


@pytest.fixture
def background(qapp: QApplication) -> Iterator[BackgroundThread]:
    made = BackgroundThread(qapp)
    yield made
    made.shut_down()


@pytest.fixture
def settings(background: BackgroundThread, tmp_path: Path) -> Preferences:
    return Preferences(tmp_path / "settings.ini", background)


def test_the_whole_plan_is_there_again_after_quitting(
    settings: Preferences, background: BackgroundThread, tmp_path: Path
) -> None:
    plan = replace(
        OWN, data=Path("/d/a, “b”.jsonl"), mix=(MixedDataset(Path("/d/old"), 0.25, "text=body"),),
        tiers=(TierConfig(1), TierConfig(3, 0.5, "skip")), adapter=Path("/runs/r/checkpoints/s"),
        name="Größe, 100 %", eval_sets=(Path("/q.jsonl"),),
    )  # fmt: skip
    state = AppState(TrainingConfig())
    memory = PlanMemory(state, settings)
    state.replace_config(plan)
    memory.write()
    background.shut_down()
    assert remembered_plan(Preferences(tmp_path / "settings.ini", background)) == plan


@pytest.mark.parametrize("text", ["", "{", "[]", '{"steps": "many"}', '{"from_the_future": 1}'])
def test_an_unreadable_plan_is_ignored(settings: Preferences, text: str) -> None:
    settings.set("plan/settings", text)
    assert remembered_plan(settings) is None


def test_an_incomplete_number_keeps_the_last_plan(settings: Preferences) -> None:
    state = AppState(OWN)
    memory = PlanMemory(state, settings)
    memory.write()
    state.change_config(learning_rate=float("nan"))
    memory.write()
    assert remembered_plan(settings) == OWN


def test_other_data_gets_the_settings_from_before_the_sample(settings: Preferences) -> None:
    state, emitted = AppState(OWN), []
    memory = PlanMemory(state, settings)
    memory.sample_left.connect(lambda: emitted.append(1))
    memory.use_sample()
    assert state.config == demo_config()
    memory.use_sample()  # once more changes nothing of what was before
    state.change_config(rank=3)  # the user's own choice stays
    mine = memory.left_sample(data=Path("/d/mine.jsonl"), name="")
    assert mine == replace(OWN, data=Path("/d/mine.jsonl"), rank=3)
    assert emitted == [1]
    state.replace_config(mine)
    assert memory.left_sample(data=Path("/d/x")) == replace(mine, data=Path("/d/x"))
    assert emitted == [1]


def test_another_model_leaves_the_sample_its_data_and_questions(settings: Preferences) -> None:
    state = AppState(OWN)
    memory = PlanMemory(state, settings)
    memory.use_sample()
    config = memory.left_sample(model=Path("/models/other"))
    assert (config.data, config.eval_sets) == (demo_config().data, demo_config().eval_sets)
    assert (config.model, config.learning_rate) == (Path("/models/other"), OWN.learning_rate)


@pytest.mark.parametrize("method", [JUST_LEARN, BY_TIERS], ids=lambda method: method.title)
@pytest.mark.parametrize(
    ("before", "rate"),
    [(with_learning_method(TrainingConfig(), LEARN_AND_KEEP), 1e-4), (OWN, OWN.learning_rate)],
    ids=["the defaults", "a rate of one's own"],
)
def test_a_method_chosen_on_the_sample_stays_without_the_demos_rate(
    method: LearningMethod, before: TrainingConfig, rate: float, settings: Preferences
) -> None:
    state = AppState(before)
    memory = PlanMemory(state, settings)
    memory.use_sample()
    state.replace_config(with_learning_method(state.config, method))
    assert state.config.learning_rate == demo_config().learning_rate  # it is still the sample
    mine = memory.left_sample(data=Path("/d/mine.jsonl"))
    assert (learning_method(mine), mine.learning_rate) == (method, rate)


def test_a_plan_of_something_else_is_not_taken_for_the_sample(settings: Preferences) -> None:
    state = AppState(OWN)
    memory = PlanMemory(state, settings)
    memory.use_sample()
    other = replace(demo_config(), data=Path("/d/mine.jsonl"))
    state.replace_config(other)
    assert memory.left_sample(seed=7) == replace(other, seed=7)


def test_defaults_learn_and_keep_and_leave_data_and_model_alone(settings: Preferences) -> None:
    config = replace(OWN, data=Path("/d/a.jsonl"), name="mine", mask_prompt=False)
    restored = restored_defaults(config, settings)
    plain = TrainingConfig(model=OWN.model, data=Path("/d/a.jsonl"), name="mine")
    assert restored == preset("learn-and-keep").applied_to(plain)


def test_the_last_opened_comes_first_and_once(settings: Preferences) -> None:
    recent = Recent(settings)
    for number in range(MOST + 2):
        recent.add(f"n{number}", Path(f"/d/{number}"))
    recent.add("again", Path("/d/5"))
    items = recent.items()
    assert items[0] == ("again", Path("/d/5"))
    assert len(items) == len({path for _, path in items}) == MOST
    recent.clear()
    assert recent.items() == []
