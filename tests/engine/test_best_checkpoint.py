"""Early stop, the best checkpoint beside the last, and neither lost when a run resumes."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import mlx.core as mx
import pytest

from app.core.config.training_config import TierConfig, TrainingConfig
from app.core.errors import InputError
from app.core.events import (
    CheckpointSaved,
    EvaluationFinished,
    Event,
    LogMessage,
    RunFinished,
    StepFinished,
)
from app.core.files.folders import remove_folder
from app.engine.evaluation.evaluation import Evaluator
from app.engine.training.checkpoints import load_checkpoint
from app.engine.training.early_stopping import BestValidation
from app.engine.training.trainer import resume, train
from app.library.run.layout import CHECKPOINT_FILES
from app.library.run.manifest import read_manifest
from tests.conftest import write_chats

FALLING_THEN_RISING = (5.0, 4.0, 3.0, 3.5, 3.2, 3.1, 3.3, 3.4, 3.6)
"""Validation losses at steps 0, 2, 4, …: the best is at step 4."""


@pytest.fixture
def config(tiny_model: Path, chat_file: Path, tmp_path: Path) -> TrainingConfig:
    return config_in(tmp_path, tiny_model, chat_file)


def config_in(folder: Path, model: Path, data: Path) -> TrainingConfig:
    return TrainingConfig(
        model=model, data=data, output=folder / "run", steps=16, rank=2,
        tiers=(TierConfig(1), TierConfig(2)), dropout=0.1, learning_rate=1e-2,
        steps_per_eval=2, steps_per_save=5,
    )  # fmt: skip


@pytest.fixture
def validate_as(monkeypatch: pytest.MonkeyPatch) -> Callable[[Sequence[float]], None]:
    """Let validation say these losses, in order."""

    return lambda losses: arrange(monkeypatch, losses)


def arrange(patch: pytest.MonkeyPatch, losses: Sequence[float]) -> None:
    remaining = iter(losses)

    def mean_loss(_: Evaluator, __: object) -> Iterator[float]:
        yield 1.0
        return next(remaining)

    patch.setattr(Evaluator, "mean_loss", mean_loss)


def checkpoints(run_dir: Path | None) -> list[int]:
    assert run_dir is not None
    folders = (run_dir / "checkpoints").glob("step-*")
    return sorted(int(folder.name.removeprefix("step-")) for folder in folders)


def ending(events: list[Event]) -> RunFinished:
    assert isinstance(events[-1], RunFinished)
    return events[-1]


def losses(events: list[Event]) -> list[float]:
    return [e.loss if isinstance(e, StepFinished) else e.val_loss for e in events
            if isinstance(e, StepFinished | EvaluationFinished)]  # fmt: skip


# -- early stop ----------------------------------------------------------------------------------


@pytest.mark.parametrize(("limit", "end"), [(1, 6), (3, 10), (6, 16), (0, 16)])
def test_a_run_ends_after_so_many_validations_without_a_new_best(
    config: TrainingConfig, validate_as: Any, limit: int, end: int
) -> None:
    validate_as(FALLING_THEN_RISING)
    ended = ending(list(train(replace(config, early_stopping_patience=limit))))
    assert (ended.outcome, ended.steps) == ("finished", end)
    assert checkpoints(config.output)[-1] == end
    if end < 16:
        assert ended.message.startswith(f"Ended early at step {end}: the last ")
        assert "brought nothing below 3.0000, at step 4" in ended.message
    else:
        assert ended.message == "All 16 steps done."


def test_a_run_without_validation_never_ends_early_and_says_so(config: TrainingConfig) -> None:
    events = list(train(replace(config, early_stopping_patience=1, validation_split=0.0, steps=4)))
    assert ending(events).message == "All 4 steps done."
    assert any("can't end early" in e.text for e in events if isinstance(e, LogMessage))


@pytest.fixture(scope="module")
def ended_early(
    tiny_model: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[TrainingConfig, list[Event]]:
    folder = tmp_path_factory.mktemp("ended-early")
    write_chats(folder / "chats.jsonl", 40)
    config = config_in(folder, tiny_model, folder / "chats.jsonl")
    config = replace(config, early_stopping_patience=3)
    with pytest.MonkeyPatch.context() as patch:
        arrange(patch, FALLING_THEN_RISING)
        return config, list(train(config))


@pytest.mark.parametrize("cut", [5, 7, 8])
def test_a_run_cut_in_between_ends_early_at_the_same_step(
    ended_early: tuple[TrainingConfig, list[Event]], validate_as: Any, tmp_path: Path, cut: int
) -> None:
    config, whole = ended_early
    validate_as(FALLING_THEN_RISING)
    first = list(train(replace(config, output=tmp_path / "cut"), stop_after=cut))
    rest = list(resume(tmp_path / "cut"))
    assert losses(first) + losses(rest) == losses(whole)
    assert ending(rest).message == ending(whole).message
    names = ("outcome", "steps", "best_val_loss", "adapter", "best_adapter")
    one, other = (read_manifest(run) for run in (ending(whole).run_dir, tmp_path / "cut"))
    assert {name: one[name] for name in names} == {name: other[name] for name in names}


def test_a_run_that_ended_early_is_done(
    ended_early: tuple[TrainingConfig, list[Event]],
) -> None:
    with pytest.raises(InputError, match="is done: it ended early, at step 10"):
        list(resume(ending(ended_early[1]).run_dir))


# -- the best checkpoint -------------------------------------------------------------------------


def test_a_new_best_is_saved_when_it_is_found(config: TrainingConfig, validate_as: Any) -> None:
    validate_as(FALLING_THEN_RISING)
    events = list(train(config))
    saved = [e for e in events if isinstance(e, CheckpointSaved)]
    assert [e.step for e in saved] == [2, 4, 5, 10, 15, 16]
    assert [e.step for e in saved if e.is_best] == [2, 4]
    manifest = read_manifest(ending(events).run_dir)
    assert manifest["best_adapter"] == "checkpoints/step-000004"
    assert manifest["adapter"] == "checkpoints/step-000016"
    assert load_checkpoint(saved[-1].path).progress.best_step == 4


def test_only_the_best_and_the_last_are_kept_on_request(
    config: TrainingConfig, validate_as: Any
) -> None:
    validate_as(FALLING_THEN_RISING)
    kept = []
    for event in train(replace(config, keep_checkpoints="best-and-last")):
        if isinstance(event, StepFinished):
            kept.append(checkpoints(config.output) if event.step > 2 else [])
    assert kept[2] == kept[3] == [2]
    assert kept[4] == [4]
    assert kept[5] == kept[9] == [4, 5]
    assert kept[10] == kept[14] == [4, 10]
    assert checkpoints(config.output) == [4, 16]


def test_the_best_checkpoint_is_kept_even_if_the_base_model_was_better(
    config: TrainingConfig, validate_as: Any
) -> None:
    validate_as((1.0, 5.0, 4.0, 3.0, 3.5, 3.2, 3.1, 3.3, 3.4))
    list(train(replace(config, keep_checkpoints="best-and-last", steps_per_save=2)))
    assert checkpoints(config.output) == [6, 16]


def test_nothing_is_removed_before_the_new_checkpoint_is_complete(
    config: TrainingConfig, validate_as: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    validate_as(FALLING_THEN_RISING)
    real, failing = mx.save_safetensors, iter([False] * 6 + [True] * 99)

    def save(file: Any, arrays: Any) -> None:
        if next(failing):
            file.write(b"half")
            raise OSError(28, "No space left on device")
        real(file, arrays)

    monkeypatch.setattr(mx, "save_safetensors", save)
    end = ending(list(train(replace(config, keep_checkpoints="best-and-last"))))
    assert end.outcome == "failed"
    assert "The disk is full" in end.message
    assert checkpoints(config.output) == [4]
    assert end.adapter_dir is not None
    assert load_checkpoint(end.adapter_dir).progress.step == 4


@pytest.mark.parametrize("keep", ["all", "best-and-last"])
def test_a_resumed_run_still_knows_its_best(
    config: TrainingConfig, validate_as: Any, keep: Any
) -> None:
    config = replace(config, keep_checkpoints=keep)
    validate_as(FALLING_THEN_RISING)
    run_dir = ending(list(train(config, stop_after=9))).run_dir
    ended = ending(list(resume(run_dir)))
    assert ended.outcome == "finished"
    manifest = read_manifest(run_dir)
    assert manifest["best_adapter"] == "checkpoints/step-000004"
    assert manifest["best_val_loss"] == 3.0
    assert checkpoints(run_dir) == ([4, 16] if keep != "all" else [2, 4, 5, 9, 10, 15, 16])


def test_resuming_from_an_earlier_checkpoint_recreates_the_later_ones(
    config: TrainingConfig,
) -> None:
    whole = list(train(config))
    run_dir = ending(whole).run_dir
    first = {e.step: e.loss for e in whole if isinstance(e, StepFinished)}
    last = load_checkpoint(run_dir / "checkpoints" / "step-000016")
    again = resume(run_dir, checkpoint="step-000005")
    events = [next(again)]
    while not isinstance(events[-1], StepFinished):
        events.append(next(again))
    assert checkpoints(run_dir)[-1] == 5
    assert any("the run repeats them" in e.text for e in events if isinstance(e, LogMessage))
    events += again
    assert ending(events).outcome == "finished"
    assert {e.step: e.loss for e in events if isinstance(e, StepFinished)} == {
        step: loss for step, loss in first.items() if step > 5
    }
    second = load_checkpoint(run_dir / "checkpoints" / "step-000016")
    assert all(mx.array_equal(last.adapter[path], second.adapter[path]) for path in last.adapter)


def test_a_nan_loss_is_never_the_best() -> None:
    best = BestValidation(None, None, 0)
    assert not best.take(float("nan"), 0)
    assert best.take(2.0, 1)
    assert not best.take(float("nan"), 2)
    assert not best.take(2.0, 3)
    assert best.is_stale(2)
    assert not best.is_stale(3)
    assert not best.is_stale(0)


def test_a_half_removed_folder_no_longer_has_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "step-000001"
    folder.mkdir()
    (folder / "adapters.safetensors").write_bytes(b"weights")

    def killed(path: Path) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "unlink", killed)
    with pytest.raises(KeyboardInterrupt):
        remove_folder(folder, CHECKPOINT_FILES)
    assert not folder.exists()
