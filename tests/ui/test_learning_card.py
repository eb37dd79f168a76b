"""The choice of how a run learns, on the New Run page."""

from dataclasses import fields, replace
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from app.core.config.learning_methods import LEARN_AND_KEEP, with_learning_method
from app.core.config.optimization import ClockSettings
from app.core.config.presets import demo_config, preset
from app.core.config.training_config import TierConfig, TrainingConfig
from app.ui.new_run.learning_card import LearningCard
from app.ui.new_run.new_run_page import NewRunPage
from app.ui.state.app_state import AppState
from app.window_services import Services


@pytest.fixture
def state(qapp: QApplication) -> AppState:
    return AppState(TrainingConfig(tiers=(TierConfig(1), TierConfig(16)), assign="rank"))


@pytest.fixture
def card(state: AppState, qtbot: QtBot) -> LearningCard:
    made = LearningCard(state)
    qtbot.addWidget(made)
    return made


def chosen(card: LearningCard) -> list[str]:
    return [title for title, choice in card.choices.items() if choice.isChecked()]


def test_each_choice_has_a_line_of_explanation(card: LearningCard) -> None:
    assert list(card.choices) == ["Custom", "Learn and keep", "Keep more", "Just learn", "By tiers"]
    for title, choice in card.choices.items():
        assert choice.accessibleDescription() == card.lines[title].text() != ""


def test_a_choice_sets_the_clocks_and_tiers_come_back(card: LearningCard, state: AppState) -> None:
    assert chosen(card) == ["By tiers"]
    card.choices["Learn and keep"].click()
    assert preset("learn-and-keep").is_in(state.config)
    card.choices["Keep more"].click()
    assert preset("keep-more").is_in(state.config)
    assert chosen(card) == ["Keep more"]
    card.choices["Just learn"].click()
    assert preset("one-pace").is_in(state.config)
    card.choices["By tiers"].click()
    assert (state.config.tiers, state.config.assign) == ((TierConfig(1), TierConfig(16)), "rank")
    assert state.config.slow_every == 0


def test_the_learning_rate_comes_back_too(card: LearningCard, state: AppState) -> None:
    state.change_config(learning_rate=1e-3)
    card.choices["Learn and keep"].click()
    assert state.config.learning_rate == 6e-4
    card.choices["Learn and keep"].click()
    card.choices["Just learn"].click()
    assert state.config.learning_rate == 1e-3


@pytest.mark.parametrize("other", ["Just learn", "By tiers"])
def test_the_demo_has_its_rate_with_every_method_and_other_data_does_not(
    other: str, card: LearningCard, state: AppState
) -> None:
    state.replace_config(demo_config())
    for title in (other, "Learn and keep", "Learn and keep", other, "Learn and keep"):
        card.choices[title].click()
        assert state.config.learning_rate == 1e-3
    assert state.config == demo_config()
    own = replace(TrainingConfig(), data=Path("/d/mine.jsonl"))
    state.replace_config(with_learning_method(own, LEARN_AND_KEEP))
    for title, rate in ((other, 1e-4), ("Learn and keep", 6e-4)):
        card.choices[title].click()
        assert state.config.learning_rate == rate


def test_a_changed_clock_shows_custom_and_its_values(card: LearningCard, state: AppState) -> None:
    card.choices["Learn and keep"].click()
    assert card.custom.isHidden()
    assert card.choices["Custom"].isHidden()  # no arrow key reaches it
    state.change_config(slow_every=8)
    assert chosen(card) == ["Custom"]
    assert not card.custom.isHidden()
    assert card.lines["Custom"].text() == "A lesson every 8 steps, weight 4; lasting pull 200."
    state.change_config(slow_every=4)
    assert chosen(card) == ["Learn and keep"]
    state.change_config(slow_rate=0.5)
    assert card.lines["Custom"].text() == (
        "A lesson every 4 steps, own AdamW at 0.5×; lasting pull 200."
    )


def test_clocks_and_tiers_combine(card: LearningCard, state: AppState) -> None:
    card.choices["Learn and keep"].click()
    assert not card.combine.isHidden()
    card.combine.click()
    assert state.config.tiers == (TierConfig(1), TierConfig(16))
    assert state.config.slow_every == 4
    assert chosen(card) == ["Custom"]
    assert card.combine.isHidden()


def test_a_click_on_the_line_chooses_too(card: LearningCard, state: AppState, qtbot: QtBot) -> None:
    qtbot.mouseClick(card.lines["Just learn"], Qt.MouseButton.LeftButton)
    assert preset("one-pace").is_in(state.config)


def test_the_tiers_are_visible_when_there_are_some(
    services: Services, new_run_page: NewRunPage
) -> None:
    page, state = new_run_page, services.state
    assert not page.tiers.isHidden()
    page.learning.choices["Learn and keep"].click()
    assert page.tiers.isHidden()
    learn_and_keep = preset("learn-and-keep").settings
    for name in (field.name for field in fields(ClockSettings) if field.name in learn_and_keep):
        assert page.form.fields[name].control.text() == f"{learn_and_keep[name]:g}"  # type: ignore[attr-defined]
    assert page.form.fields["measure_forgetting"].control.isChecked()  # type: ignore[attr-defined]
    page.learning.combine.click()
    assert not page.tiers.isHidden()
    state.change_config(tiers=(TierConfig(1),), assign="manual")
    assert not page.tiers.isHidden()  # patterns are missing: where they are to be written
