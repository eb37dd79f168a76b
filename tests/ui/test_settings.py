"""Tier editor and settings form write the configuration and say what can't work, where it is."""

import math
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path

from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtGui import QWheelEvent
from PySide6.QtWidgets import QApplication, QFileDialog
from pytestqt.qtbot import QtBot

from app.application import Nestling
from app.core.config.presets import PRESETS
from app.core.config.tiers import MAX_TIERS
from app.core.config.training_config import CHOICES, TierConfig, TrainingConfig
from app.core.files.paths import runs_dir
from app.library.reading.run_details import read_details
from app.ui.data.data_page import DataPage
from app.ui.look.plain_text import tip
from app.ui.new_run.new_run_page import NewRunPage
from app.ui.plan.setting_field import FilesField, SettingField
from app.ui.plan.settings_form import FORM_SECTIONS
from app.ui.run.run_actions import RunActions
from app.ui.run.run_description import setting_facts
from app.ui.state.app_state import AppState
from app.ui.widgets.calm_inputs import PercentField
from app.window_services import Services


def test_tiers_are_added_up_to_the_limit_and_removed_down_to_one(
    services: Services, new_run_page: NewRunPage
) -> None:
    editor, state = new_run_page.tiers, services.state
    while editor.add.isEnabled():
        editor.add.click()
    assert len(state.config.tiers) == len(editor.rows) == MAX_TIERS
    assert [tier.period for tier in state.config.tiers] == [1, 2, 4, 8, 16, 32, 64, 128]
    while editor.rows[0].remove.isEnabled():
        editor.rows[0].remove.click()
    assert state.config.tiers == (TierConfig(128),)
    assert len(editor.rows) == 1


def test_a_wrong_order_of_periods_is_reported_in_the_editor(
    services: Services, new_run_page: NewRunPage
) -> None:
    editor = new_run_page.tiers
    editor.rows[0].period.setValue(8)
    assert services.state.config.tiers[0] == TierConfig(8)
    assert "ordered" in editor.problem.text()
    assert not editor.problem.isHidden()
    editor.rows[0].period.setValue(1)
    assert editor.problem.isHidden()


def test_every_assignment_can_be_chosen_and_is_named(
    services: Services, new_run_page: NewRunPage
) -> None:
    editor, state = new_run_page.tiers, services.state
    texts = [editor.assign.itemText(index) for index in range(editor.assign.count())]
    assert texts == ["By layer depth", "By module", "By rank slices", "By importance",
                     "By patterns"]  # fmt: skip
    for assign in CHOICES["assign"]:
        state.change_config(assign=assign)
        assert editor.fastest_first.isHidden() == (assign in ("rank", "manual"))
        assert editor.fastest_first.isHidden() or editor.fastest_first.currentText().endswith(
            "fastest"
        )


def test_the_engine_describes_the_tiers(
    services: Services, new_run_page: NewRunPage, qtbot: QtBot
) -> None:
    state, editor = services.state, new_run_page.tiers
    services.preview.refresh()
    qtbot.waitUntil(lambda: state.preview is not None)
    assert state.preview is not None
    counts = [facts.parameters for facts in state.preview]
    assert f"{counts[0]:,} parameters" in editor.rows[0]._facts.text()
    editor.rows[0].remove.click()
    assert editor.rows[0]._facts.text() == "…"
    qtbot.waitUntil(lambda: state.preview is not None)
    assert sum(facts.parameters for facts in state.preview) == sum(counts)


def test_an_invalid_factor_is_marked_and_reported(
    services: Services, new_run_page: NewRunPage, qtbot: QtBot
) -> None:
    row = new_run_page.tiers.rows[1]
    row.factor.clear()
    qtbot.keyClicks(row.factor, "0.5x")
    assert math.isnan(services.state.config.tiers[1].learning_rate_factor)
    assert row.factor.property("wrong") is True
    row.factor.clear()
    qtbot.keyClicks(row.factor, "0,5")
    assert services.state.config.tiers[1].learning_rate_factor == 0.5
    assert row.factor.property("wrong") is False


def test_every_setting_of_a_run_has_a_control_with_its_help(new_run_page: NewRunPage) -> None:
    shown = new_run_page.form.fields
    for field in fields(TrainingConfig):
        if field.metadata["section"] in FORM_SECTIONS:
            control = shown[field.name].control
            assert control.accessibleName() == field.metadata["label"]
            assert control.toolTip() == tip(field.metadata["help"])


def test_files_that_are_asked_and_kept_have_a_control(qtbot: QtBot, tmp_path: Path) -> None:
    state = AppState(TrainingConfig())
    questions = FilesField("eval_sets", state, "None")
    text = FilesField("slow_text", state, "Everyday chats")
    for field in (questions, text):
        qtbot.addWidget(field)
        assert field.clear.isHidden()
    assert (questions.files.text(), text.files.text()) == ("None", "Everyday chats")
    one, other = tmp_path / "one.jsonl", tmp_path / "other.jsonl"
    questions.take((one, other))
    text.take((one,))
    assert state.config.eval_sets == (one, other)
    assert state.config.slow_text == one
    assert questions.files.text() == "One, Other"
    questions.clear.click()
    text.clear.click()
    assert (state.config.eval_sets, state.config.slow_text) == ((), None)


def test_a_click_on_choose_asks_for_the_setting_s_files(nestling: Nestling, qtbot: QtBot) -> None:
    form = nestling.new_run.form
    with qtbot.waitSignal(form.files_requested) as asked:
        form.files["eval_sets"].choose.click()
    assert asked.args == ["eval_sets"]
    (dialog,) = nestling.window.findChildren(QFileDialog)
    assert dialog.fileMode() is QFileDialog.FileMode.ExistingFiles
    dialog.reject()


def test_a_learning_rate_is_written_as_people_write_it(
    services: Services, new_run_page: NewRunPage, actions: RunActions, qtbot: QtBot
) -> None:
    field = new_run_page.form.fields["learning_rate"]
    field.control.setFocus()
    field.control.selectAll()  # type: ignore[attr-defined]
    qtbot.keyClicks(field.control, "3e-4")
    assert services.state.config.learning_rate == 3e-4
    field.control.selectAll()  # type: ignore[attr-defined]
    qtbot.keyClicks(field.control, "5")
    assert "at most 1" in field.problem.text()
    assert not actions.start.isEnabled()


def test_a_setting_that_can_not_work_is_unfolded(
    services: Services, new_run_page: NewRunPage
) -> None:
    form = new_run_page.form
    assert not form.advanced.toggle.isChecked()
    services.state.change_config(num_layers=0)
    assert form.advanced.toggle.isChecked()
    assert form.fields["num_layers"].problem.text()


def test_scrolling_past_a_field_changes_nothing(
    services: Services, new_run_page: NewRunPage
) -> None:
    before = services.state.config
    for field in new_run_page.form.findChildren(SettingField):
        wheel = QWheelEvent(
            QPointF(4, 4), field.control.mapToGlobal(QPointF(4, 4)), QPoint(), QPoint(0, 120),
            Qt.MouseButton.NoButton, Qt.KeyboardModifier.NoModifier,
            Qt.ScrollPhase.NoScrollPhase, False,
        )  # fmt: skip
        QApplication.sendEvent(field.control, wheel)
    assert services.state.config == before


def test_tiers_the_model_can_not_fill_are_refused_at_the_tiers_and_stop_start(
    services: Services, new_run_page: NewRunPage, actions: RunActions, chat_file: Path, qtbot: QtBot
) -> None:
    state, train = services.state, new_run_page
    services.file_opener.open_path(chat_file)
    qtbot.waitUntil(actions.start.isEnabled)
    add_at = train.tiers.add.mapTo(train.tiers, QPoint())  # cards above fill up meanwhile
    while len(state.config.tiers) < 6:  # the tiny model has 4 layers
        train.tiers.add.click()
    qtbot.waitUntil(lambda: not train.tiers.problem.isHidden())
    assert "would hold no parameters" in train.tiers.problem.text()
    assert {row._facts.text() for row in train.tiers.rows} == {"–"}
    assert train.model.problem.isHidden()
    assert not actions.start.isEnabled()
    assert train.header.start.toolTip() in train.tiers.problem.text()
    assert train.header.pill.text() == "Not ready"
    assert train.tiers.add.mapTo(train.tiers, QPoint()) == add_at
    while len(state.config.tiers) > 2:
        train.tiers.rows[-1].remove.click()
    qtbot.waitUntil(lambda: state.preview is not None)
    assert train.tiers.problem.isHidden()
    assert actions.start.isEnabled()


def test_a_base_model_that_can_not_be_loaded_is_reported_at_the_model_and_blocks_start(
    services: Services,
    new_run_page: NewRunPage,
    actions: RunActions,
    chat_file: Path,
    tmp_path: Path,
    qtbot: QtBot,
) -> None:
    train = new_run_page
    services.file_opener.open_path(chat_file)
    qtbot.waitUntil(actions.start.isEnabled)
    services.state.change_config(model=tmp_path / "gone")
    qtbot.waitUntil(lambda: not train.model.problem.isHidden())
    assert train.tiers.problem.isHidden()
    assert not actions.start.isEnabled()
    assert "no model folder" in train.header.start.toolTip()


def test_counts_come_back_after_a_mistake_is_taken_back(
    services: Services, new_run_page: NewRunPage, qtbot: QtBot
) -> None:
    state, editor = services.state, new_run_page.tiers
    services.preview.refresh()
    qtbot.waitUntil(lambda: state.preview is not None)
    editor.rows[0].period.setValue(8)
    assert services.preview._timer.isActive()
    qtbot.waitUntil(lambda: not services.preview._timer.isActive())
    assert not services.compute.is_busy  # such tiers are no question for the engine
    assert state.preview is None
    editor.rows[0].period.setValue(1)
    qtbot.waitUntil(lambda: state.preview is not None)


def test_a_period_is_never_clipped(nestling: Nestling) -> None:
    row = nestling.new_run.tiers.rows[0]
    for period in (1, 16, 32, 64, 128, 9999, 1_000_000):
        row.period.setValue(period)
        field = row.period.lineEdit()
        needed = field.fontMetrics().horizontalAdvance(field.text())
        assert needed + 5 <= field.width(), field.text()
    assert row.remove.geometry().right() <= row.rect().right()


def test_a_preset_fills_the_tiers_and_is_ticked(
    services: Services, new_run_page: NewRunPage
) -> None:
    state, button = services.state, new_run_page.tiers.presets
    for preset, action in zip(PRESETS, button.choices.actions(), strict=True):
        assert action.toolTip() == tip(preset.description)
        for _ in range(2):
            action.trigger()
            assert preset.is_in(state.config)
            assert [a.text() for a in button.choices.actions() if a.isChecked()] == [preset.title]
    state.change_config(tiers=(TierConfig(3),))
    assert not any(action.isChecked() for action in button.choices.actions())


def test_settings_of_one_assignment_are_shown_with_it_alone(
    services: Services, new_run_page: NewRunPage
) -> None:
    editor, state = new_run_page.tiers, services.state
    for assign in CHOICES["assign"]:
        state.change_config(assign=assign)
        assert editor.patterns.isHidden() == (assign != "manual")
        assert editor.batches.isHidden() == (assign != "importance")
    state.change_config(assign="manual")
    assert "need patterns" in editor.patterns.problem.text()
    state.change_config(tier_patterns="self_attn=0, mlp=1, *=2")
    assert editor.patterns.problem.isHidden()


def test_tier_settings_that_the_editor_hides_are_not_lost(
    services: Services, new_run_page: NewRunPage
) -> None:
    state = services.state
    state.change_config(tiers=(TierConfig(1), TierConfig(2, 1.0, "skip")))
    new_run_page.tiers.rows[0].period.setValue(2)
    assert state.config.tiers[1] == TierConfig(2, 1.0, "skip")


def test_the_patterns_that_are_shown_as_an_example_work(
    services: Services, new_run_page: NewRunPage, qtbot: QtBot
) -> None:
    state, editor = services.state, new_run_page.tiers
    example = editor.patterns.control.placeholderText()  # type: ignore[attr-defined]
    state.change_config(assign="manual", tier_patterns=example)
    qtbot.waitUntil(lambda: state.preview is not None)
    assert len(state.preview or ()) == 3


def test_the_validation_split_is_a_percentage_wherever_it_stands(
    services: Services,
    new_run_page: NewRunPage,
    data_page: DataPage,
    chat_file: Path,
    make_run: Callable[..., Path],
    qtbot: QtBot,
) -> None:
    state = services.state
    services.file_opener.open_path(chat_file)
    qtbot.waitUntil(lambda: state.dataset is not None and not state.is_inspecting)
    form = new_run_page.form
    form.advanced.toggle.setChecked(True)
    field = form.fields["validation_split"]
    assert isinstance(field.control, PercentField)
    assert field.control.text() == data_page.statistics.split.share.text() == "10 %"
    for typed in ("12,5", "12.5%", "12.5 %"):
        field.control.selectAll()
        qtbot.keyClicks(field.control, typed)
        qtbot.keyClick(field.control, Qt.Key.Key_Return)
        assert state.config.validation_split == 0.125
        assert field.control.text() == data_page.statistics.split.share.text() == "12.5 %"
        state.change_config(validation_split=0.1)
    field.control.selectAll()
    qtbot.keyClicks(field.control, "60")
    assert field.problem.text().endswith("at least 0 % and at most 50 %; it is 60 %.")
    state.change_config(validation_split=0.25)
    assert "25 % for validation" in new_run_page.data.summary.text()
    details = read_details(make_run(runs_dir() / "a", validation_split=0.3))
    shown = dict(row for rows in setting_facts(details).values() for row in rows)
    assert shown["Validation split"] == "30 %"
