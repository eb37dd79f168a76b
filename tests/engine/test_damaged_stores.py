"""A token cache that is damaged, or that does not fit the model, ends a run with its work kept."""

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from app.core.config.training_config import TierConfig, TrainingConfig
from app.core.errors import RunError
from app.core.events import Event, RunFinished, StepFinished
from app.data.tokens import store_files
from app.data.tokens.cache import stores_dir
from app.engine.training.checkpoints import last_checkpoint, load_checkpoint
from app.engine.training.trainer import resume, train
from app.library.run.metrics import read_steps

STEPS = 10

CUT_IN_MID_RUN = """
import os, sys
from pathlib import Path
from app.core.config.training_config import TierConfig, TrainingConfig
from app.core.errors import RunError
from app.core.events import RunFinished, StepFinished
from app.data.tokens.cache import stores_dir
from app.engine.training.trainer import train

model, data, output = map(Path, sys.argv[1:])
config = TrainingConfig(
    model=model, data=data, output=output, tiers=(TierConfig(1), TierConfig(2)), steps=10,
    batch_size=2, rank=2, steps_per_save=100, steps_per_eval=100,
)
for event in train(config):
    if isinstance(event, StepFinished) and event.step == 3:
        for path in stores_dir().rglob("*"):
            if path.is_file():
                os.truncate(path, 0)
    if isinstance(event, RunFinished):
        print(event.outcome, event.steps, event.message, sep="|")
"""


@pytest.fixture
def config(tiny_model: Path, chat_file: Path, tmp_path: Path) -> TrainingConfig:
    return TrainingConfig(
        model=tiny_model,
        data=chat_file,
        output=tmp_path / "run",
        tiers=(TierConfig(1), TierConfig(2)),
        steps=STEPS,
        batch_size=2,
        rank=2,
        steps_per_save=100,
        steps_per_eval=100,
    )


@pytest.fixture
def large(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every store opens as those do that are too large to be checked all at once."""
    monkeypatch.setattr(store_files, "CHECKED_WHEN_OPENED_BYTES", 0)


def overwrite_a_token() -> None:
    (tokens,) = stores_dir().glob("*/tokens")
    with tokens.open("r+b") as file:
        file.write(b"\x07")


def losses(run_dir: Path) -> list[float]:
    loss: list[float] = read_steps(run_dir).rows["loss"].tolist()
    return loss


def test_a_cache_truncated_during_a_run_keeps_the_steps_and_the_run_resumes_bit_equal(
    config: TrainingConfig, tmp_path: Path
) -> None:
    assert config.data is not None
    run, whole = tmp_path / "run", tmp_path / "whole"
    command = [sys.executable, "-c", CUT_IN_MID_RUN, config.model, config.data, run]
    ended = subprocess.run(command, capture_output=True, text=True, env=dict(os.environ))
    assert ended.returncode == 0, ended.stderr
    outcome, step, message = ended.stdout.strip().split("|")
    assert (outcome, step) == ("failed", "3")
    assert message.startswith("The token cache ")
    assert "tokens was truncated. Resume the run" in message
    assert last_checkpoint(run).name == "step-000003"
    *_, end = resume(run)
    assert isinstance(end, RunFinished)
    assert end.outcome == "finished"
    list(train(replace(config, output=whole)))
    assert losses(run) == losses(whole)
    one, other = (load_checkpoint(last_checkpoint(path)) for path in (run, whole))
    assert all((one.adapter[name] == other.adapter[name]).all() for name in one.adapter)


def test_an_overwritten_token_of_a_small_cache_is_rebuilt_before_the_run(
    config: TrainingConfig, tmp_path: Path
) -> None:
    list(train(config))
    overwrite_a_token()
    again = replace(config, output=tmp_path / "again")
    *_, end = train(again)
    assert isinstance(end, RunFinished)
    assert end.outcome == "finished"
    assert losses(tmp_path / "again") == losses(tmp_path / "run")


@pytest.mark.usefixtures("large")
def test_an_overwritten_token_of_a_large_cache_is_named_before_the_run_and_gone_at_the_next(
    config: TrainingConfig, tmp_path: Path
) -> None:
    list(train(config))
    overwrite_a_token()
    damaged, anew = (replace(config, output=tmp_path / name) for name in ("damaged", "anew"))
    # The digest of the run's tokens is taken before the first step.
    with pytest.raises(RunError, match="block 0 of tokens changed since it was written"):
        list(train(damaged))
    assert not (tmp_path / "damaged").exists()
    *_, end = train(anew)
    assert isinstance(end, RunFinished)
    assert end.outcome == "finished"
    assert losses(tmp_path / "anew") == losses(tmp_path / "run")


def test_a_row_whose_token_the_model_has_not_is_named_and_never_computed(
    config: TrainingConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    write: Callable[..., None] = store_files.StoreWriter._write

    def with_a_foreign_token(self: store_files.StoreWriter, name: str, content: bytes) -> None:
        is_first = name == "tokens" and not self._sums[name].size
        write(self, name, b"\xff\xff\xff\xff" + content[4:] if is_first else content)

    monkeypatch.setattr(store_files.StoreWriter, "_write", with_a_foreign_token)
    events: list[Event] = []
    try:
        events.extend(train(config))
        *_, end = events
        assert isinstance(end, RunFinished)
        message, steps = end.message, [e for e in events if isinstance(e, StepFinished)]
        assert end.outcome == "failed"
        assert end.steps == len(steps) == len(losses(end.run_dir))
    except RunError as error:  # before the first step
        message = str(error)
    assert "chats.jsonl, line 1: token 4,294,967,295 is beyond the 320 tokens" in message
