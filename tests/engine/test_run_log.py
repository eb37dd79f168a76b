"""A run's log.txt holds what the README says it holds, each thing once."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from app.core.chat_messages import Chat
from app.core.config.training_config import MixedDataset, TrainingConfig
from app.core.events import LogMessage
from app.core.generation_events import CheckpointRef, GenerationNotice, Sampling
from app.engine.generation.generation import answer
from app.engine.model.chat_prompt import mlx_lm_stop_tokens, stop_token_note
from app.engine.model.loading import load_tokenizer
from app.engine.training.trainer import resume, train
from tests.at_once import load_tuned_model
from tests.limited_models import with_another_end_token


def write(path: Path, rows: Sequence[dict[str, str]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, tiny_model: Path) -> Path:
    """A run on two datasets, of which one has a row that is cut and one that is bad."""
    folder = tmp_path_factory.mktemp("run")
    plain = [{"prompt": f"word {i}", "completion": "no" * (1 + i % 5)} for i in range(24)]
    odd = [{"prompt": "long", "completion": "yes " * 40}, {"prompt": "no answer", "completion": ""}]
    new = write(folder / "new.jsonl", [*plain, *odd])
    old = write(folder / "old.jsonl", [{"text": f"old {i}"} for i in range(20)])
    config = TrainingConfig(
        model=tiny_model, data=new, mix=(MixedDataset(old, 0.5),), output=folder / "run", steps=2,
        batch_size=4, max_seq_length=64, bad_rows="skip", validation_split=0.2,
        steps_per_eval=1,
    )  # fmt: skip
    list(train(config))
    return folder / "run"


@pytest.mark.parametrize(
    "claim",
    [
        "1 row is longer than 64 tokens: cut at the end.",
        "1 row is left out; the first: new.jsonl, line 26: completion is empty.",
        "The first epoch takes ",
        "rows of old.jsonl (50.0%), which has",
        "Sequence packing is on",
        "The loss is computed on trained tokens only",
        "2 steps used these rows: ",
    ],
)
def test_the_log_says(run: Path, claim: str) -> None:
    assert (run / "log.txt").read_text().count(claim) == 1


def test_the_log_says_each_dataset_s_validation_loss(run: Path) -> None:
    log = (run / "log.txt").read_text().splitlines()
    lines = [line for line in log if "validation loss" in line]
    assert len(lines) == 3
    assert all("(new.jsonl " in line and ", old.jsonl " in line for line in lines)


def test_a_resumed_run_logs_its_batch_layout_again(
    make_model: Callable[..., Path], chat_file: Path, tmp_path: Path
) -> None:
    config = TrainingConfig(
        model=make_model(), data=chat_file, output=tmp_path / "run", steps=2, batch_size=2
    )
    list(train(config, stop_after=1))
    list(resume(tmp_path / "run"))
    log = (tmp_path / "run" / "log.txt").read_text()
    assert log.count("Sequence packing is on") == 2


def test_a_run_says_that_mlx_lm_would_not_stop_where_the_template_ends_a_reply(
    tiny_model: Path, chat_file: Path, tmp_path: Path
) -> None:
    model = with_another_end_token(tmp_path / "base", tiny_model)
    config = TrainingConfig(model=model, data=chat_file, output=tmp_path / "run", steps=1)
    warnings = [e.text for e in train(config) if isinstance(e, LogMessage) and e.is_warning]
    (note,) = warnings
    assert note == (
        "This model's chat template ends a reply with '<|im_end|>' (id 2), which its folder does "
        "not name as an end token (it names '<pad>'): Nestling stops there, mlx_lm.generate does "
        "not. Add 2 to eos_token_id in generation_config.json."
    )
    assert note in (tmp_path / "run" / "log.txt").read_text()


@pytest.mark.parametrize("name", ["config.json", "generation_config.json"])
def test_an_end_token_that_the_folder_names_is_one_that_mlx_lm_knows(
    tiny_model: Path, tmp_path: Path, name: str
) -> None:
    import mlx_lm

    folder = with_another_end_token(tmp_path / "base", tiny_model)
    assert stop_token_note(folder, load_tokenizer(folder))
    path = folder / name
    before = json.loads(path.read_text()) if path.exists() else {}
    path.write_text(json.dumps(before | {"eos_token_id": [2]}))
    tokenizer = load_tokenizer(folder)
    assert stop_token_note(folder, tokenizer) == ""
    _, theirs = mlx_lm.load(str(folder))
    assert mlx_lm_stop_tokens(folder, tokenizer) == theirs.eos_token_ids


def test_an_answer_says_so_too(tiny_model: Path, chat_file: Path, tmp_path: Path) -> None:
    model = with_another_end_token(tmp_path / "base", tiny_model)
    list(train(TrainingConfig(model=model, data=chat_file, output=tmp_path / "run", steps=1)))
    tuned = load_tuned_model(CheckpointRef(model, tmp_path / "run" / "checkpoints" / "step-000001"))
    events = list(answer(tuned, Chat("Hi"), Sampling(max_tokens=1), ("tuned",)))
    note = stop_token_note(model, tuned.base.tokenizer)
    assert [event.text for event in events if isinstance(event, GenerationNotice)] == [note]
    assert 2 in tuned.stop_tokens
