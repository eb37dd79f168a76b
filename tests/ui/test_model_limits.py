"""What the window says of rows that the base model can't read, before a run starts."""

import json
import shutil
from pathlib import Path

from pytestqt.qtbot import QtBot

from app.ui.data.data_page import DataPage
from app.window_services import Services
from tests.limited_models import build_gpt2, with_context, with_late_tokens


def show(
    services: Services, qtbot: QtBot, model: Path, data: Path, *rows: str | dict[str, str]
) -> None:
    """The Data page with these rows or texts, once they are tokens."""
    values = [{"text": row} if isinstance(row, str) else row for row in rows]
    data.write_text("".join(json.dumps(value) + "\n" for value in values))
    services.state.change_config(model=model, data=data, batch_size=1, validation_split=0.0)
    services.datasets.read_again()
    figures, tokenization = services.data_work.statistics, services.data_work.tokenization
    qtbot.waitUntil(lambda: figures.statistics is not None and tokenization.done is not None)


def test_a_token_without_an_embedding_is_named_and_start_waits_for_a_choice(
    services: Services, data_page: DataPage, tiny_model: Path, tmp_path: Path, qtbot: QtBot
) -> None:
    model = with_late_tokens(tmp_path / "late", tiny_model)
    show(services, qtbot, model, tmp_path / "a.jsonl", "fine", "so <|later|> it is")
    problems, state = data_page.problems, services.state
    assert problems.counts == {"token without embedding": 1}
    reason = "contains the token '<|later|>' (id 321), and this model has embeddings for 320 tokens"
    assert problems.model.at(0).reason.startswith(reason)
    assert state.start_blocker().startswith(f"a.jsonl, line 2: {reason}")
    assert problems.leave_out.isVisibleTo(problems)
    problems.leave_out.click()
    qtbot.waitUntil(lambda: not state.rows_problem)
    assert state.config.bad_rows == "skip"


def test_a_row_that_the_template_refuses_is_named_and_start_waits_for_a_choice(
    services: Services, data_page: DataPage, tiny_model: Path, tmp_path: Path, qtbot: QtBot
) -> None:
    model = tmp_path / "refusing"
    shutil.copytree(tiny_model, model)
    template = model / "chat_template.jinja"
    refusing = "{% if messages[0]['role'] == 'system' %}{{ raise_exception('no') }}{% endif %}"
    template.write_text(refusing + template.read_text())
    pair = {"prompt": "a", "completion": "b"}
    show(services, qtbot, model, tmp_path / "a.jsonl", pair, {"system": "s", **pair})
    problems, state = data_page.problems, services.state
    assert problems.counts == {"refused by the template": 1}
    reason = "the model's chat template refuses it: no"
    assert problems.model.at(0).reason == reason
    assert state.start_blocker().startswith(f"a.jsonl, line 2: {reason}.")
    problems.leave_out.click()
    qtbot.waitUntil(lambda: not state.rows_problem)
    assert state.config.bad_rows == "skip"


def test_rows_are_shown_cut_at_the_last_learned_position(
    services: Services, data_page: DataPage, tiny_model: Path, tmp_path: Path, qtbot: QtBot
) -> None:
    model = build_gpt2(tmp_path / "gpt2", tiny_model)
    show(services, qtbot, model, tmp_path / "a.jsonl", "short", "long" * 30)
    statistics = data_page.statistics
    statistics.load()
    assert statistics.effect.text() == (
        "1 training row (50 %) is cut at the limit. This model supports 24 positions, so rows "
        "are cut at 24 tokens instead of 2,048."
    )
    assert statistics.plot is not None
    assert statistics.plot.limit == 24
    assert not statistics.plot.context.isVisible(), "the limit stands there"
    assert data_page.problems.counts == {"too long": 1}


def test_rows_longer_than_the_model_was_made_for_are_counted_and_drawn(
    services: Services, data_page: DataPage, tiny_model: Path, tmp_path: Path, qtbot: QtBot
) -> None:
    model = with_context(tmp_path / "rotary", tiny_model, 32)
    show(services, qtbot, model, tmp_path / "a.jsonl", "short", "long" * 30, "longer" * 9)
    statistics = data_page.statistics
    statistics.load()
    assert statistics.effect.text().endswith("Rows longer than the model's context (32 tokens): 2.")
    assert statistics.plot is not None
    assert statistics.plot.context.isVisible()
    assert not services.state.start_blocker()


def test_another_model_brings_its_own_limits(
    services: Services, data_page: DataPage, tiny_model: Path, tmp_path: Path, qtbot: QtBot
) -> None:
    model = build_gpt2(tmp_path / "gpt2", tiny_model)
    show(services, qtbot, model, tmp_path / "a.jsonl", "short", "long" * 30)
    services.state.change_config(model=tiny_model)
    effect = data_page.statistics.effect
    qtbot.waitUntil(lambda: effect.text().startswith("No row is cut"))


def test_rows_that_stop_a_run_are_listed_before_warnings(
    services: Services, data_page: DataPage, tiny_model: Path, tmp_path: Path, qtbot: QtBot
) -> None:
    model = with_late_tokens(tmp_path / "late", tiny_model)
    show(services, qtbot, model, tmp_path / "a.jsonl", "twice", "twice", "so <|later|> it is")
    problems = data_page.problems
    assert problems.counts == {"duplicate": 1, "token without embedding": 1}
    listed = [problems.model.at(row).kind for row in range(problems.model.rowCount())]
    assert listed == ["token without embedding", "duplicate"]
