"""Rows beyond a base model's limits are reported or refused before a run or an answer begins."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from app.core.base_model import ModelLimits
from app.core.chat_messages import Chat
from app.core.config.training_config import TrainingConfig
from app.core.errors import InputError
from app.core.events import Event, LogMessage, RunStarted, StepFinished
from app.core.generation_events import CheckpointRef, Sampling
from app.engine.generation.generation import answer
from app.engine.memory.preflight import estimate_memory
from app.engine.model.loading import load_base_model
from app.engine.training.trainer import train
from tests.at_once import load_tuned_model
from tests.limited_models import POSITIONS, build_gpt2, with_context, with_late_tokens


@pytest.fixture
def late(tiny_model: Path, tmp_path: Path) -> Path:
    return with_late_tokens(tmp_path / "late", tiny_model)


@pytest.fixture
def gpt2(tiny_model: Path, tmp_path: Path) -> Path:
    return build_gpt2(tmp_path / "gpt2", tiny_model)


@pytest.fixture
def texts(tmp_path: Path) -> Callable[..., Path]:
    def write(*rows: str, name: str = "texts.jsonl") -> Path:
        path = tmp_path / name
        path.write_text("".join(json.dumps({"text": row}) + "\n" for row in rows))
        return path

    return write


def config(model: Path, data: Path, run: Path, **more: object) -> TrainingConfig:
    plain = {"steps": 1, "batch_size": 1, "validation_split": 0.0, "output": run, **more}
    return TrainingConfig(model=model, data=data, **plain)  # type: ignore[arg-type]


def notes(events: list[Event]) -> list[str]:
    return [event.text for event in events if isinstance(event, LogMessage)]


def test_a_row_with_a_token_beyond_the_embedding_stops_the_run_before_it_starts(
    late: Path, texts: Callable[..., Path], tmp_path: Path
) -> None:
    data = texts("fine", "fine too", "so <|later|> it is", "so <|late|>")
    with pytest.raises(InputError) as caught:
        list(train(config(late, data, tmp_path / "run")))
    assert caught.value.message == (
        "2 rows contain tokens without an embedding; the first is texts.jsonl, line 3: contains "
        "the token '<|later|>' (id 321), and this model has embeddings for 320 tokens only."
    )
    assert not (tmp_path / "run").exists()


def test_with_bad_rows_left_out_such_rows_are_left_out_and_named_in_the_log(
    late: Path, texts: Callable[..., Path], tmp_path: Path
) -> None:
    data = texts("fine", "fine too", "so <|later|> it is")
    run = tmp_path / "run"
    events = list(train(config(late, data, run, bad_rows="skip")))
    started = next(event for event in events if isinstance(event, RunStarted))
    assert started.train_examples == 2
    message = (
        "1 row is left out; the first: texts.jsonl, line 3: contains the token '<|later|>' (id 321)"
    )
    assert message in (run / "log.txt").read_text()


def test_a_question_with_a_token_beyond_the_embedding_is_refused(
    late: Path, texts: Callable[..., Path], tmp_path: Path
) -> None:
    questions = tmp_path / "exam.jsonl"
    questions.write_text(json.dumps({"prompt": "say", "completion": "it is <|late|>"}) + "\n")
    made = config(late, texts("fine"), tmp_path / "run", eval_sets=(questions,))
    with pytest.raises(InputError, match=r"exam\.jsonl, line 1: contains the token '<\|late\|>'"):
        list(train(made))


def test_a_prompt_with_a_token_beyond_the_embedding_is_not_answered(
    late: Path, texts: Callable[..., Path], tmp_path: Path
) -> None:
    run = tmp_path / "run"
    list(train(config(late, texts("fine"), run)))
    tuned = load_tuned_model(CheckpointRef(late, run / "checkpoints" / "step-000001"))
    with pytest.raises(InputError, match=r"contains the token '<\|later\|>' \(id 321\), and this"):
        list(answer(tuned, Chat("what is <|later|>?"), Sampling(max_tokens=1)))
    assert list(answer(tuned, Chat("what is it?"), Sampling(max_tokens=1)))


def test_learned_positions_are_seen_in_the_loaded_model(gpt2: Path) -> None:
    assert load_base_model(gpt2).limits == ModelLimits(POSITIONS, POSITIONS, 320)


def test_rows_cut_at_the_last_learned_position_are_reported(
    gpt2: Path, texts: Callable[..., Path], tmp_path: Path
) -> None:
    run = tmp_path / "run"
    events = list(train(config(gpt2, texts("short", "long" * 50), run, steps=2)))
    cap = "This model supports 24 positions, so rows are cut at 24 tokens instead of"
    log = (run / "log.txt").read_text()
    assert cap in log
    assert "1 row is longer than 24 tokens: cut at the end." in log
    assert any(cap in note for note in notes(events))
    trained = [event.trained_tokens for event in events if isinstance(event, StepFinished)]
    assert trained[-1] == len("short") + POSITIONS - 1, "the end token, and no first token"


def test_a_question_longer_than_the_learned_positions_is_refused(
    gpt2: Path, texts: Callable[..., Path], tmp_path: Path
) -> None:
    questions = tmp_path / "exam.jsonl"
    questions.write_text(json.dumps({"prompt": "say" * 9, "completion": "a"}) + "\n")
    made = config(gpt2, texts("short"), tmp_path / "run", eval_sets=(questions,))
    with pytest.raises(InputError, match=r"exam\.jsonl has \d+ tokens .* reads at most 24\."):
        list(train(made))


def test_a_memory_estimate_takes_no_longer_rows_than_the_model_reads(
    gpt2: Path, texts: Callable[..., Path], tmp_path: Path
) -> None:
    estimate = estimate_memory(config(gpt2, texts("short"), tmp_path / "run"))
    assert estimate is not None
    assert estimate.length == POSITIONS


def test_rows_longer_than_a_model_was_made_for_are_counted_in_the_log_and_trained(
    tiny_model: Path, texts: Callable[..., Path], tmp_path: Path
) -> None:
    model = with_context(tmp_path / "rotary", tiny_model, 32)
    run = tmp_path / "run"
    events = list(train(config(model, texts("short", "long" * 20, "longer" * 9), run, steps=3)))
    message = "Rows longer than the model's context (32 tokens): 2."
    assert message in notes(events)
    assert message in (run / "log.txt").read_text()
    trained = [event.trained_tokens for event in events if isinstance(event, StepFinished)]
    assert trained[-1] == 5 + 80 + 54, "nothing is cut"
