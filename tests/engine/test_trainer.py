"""A whole run as a list of events: what it reports, what it leaves on disk, how it fails."""

import gc
import itertools
import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import mlx.core as mx
import mlx_lm
import numpy as np
import pytest

from app.core.config.training_config import TierConfig, TrainingConfig
from app.core.errors import AppError, InputError, RunError, VerificationError
from app.core.events import (
    CheckpointSaved,
    EvaluationFinished,
    Event,
    LogMessage,
    RunFinished,
    RunStarted,
    ScoreMeasured,
    StageChanged,
    StepFinished,
    to_json,
)
from app.engine.runtime.mlx_errors import as_run_error
from app.engine.training import gradients
from app.engine.training import step as step_module
from app.engine.training import trainer as trainer_module
from app.engine.training.checkpoints import load_checkpoint
from app.engine.training.run_counters import NonFiniteSteps
from app.engine.training.trainer import resume, train
from app.library.run.manifest import read_manifest
from app.library.run.metrics import read_events, read_steps
from tests.conftest import write_chats

E = TypeVar("E", bound=Event)


@pytest.fixture
def config(tiny_model: Path, chat_file: Path, tmp_path: Path) -> TrainingConfig:
    return config_in(tmp_path, tiny_model, chat_file)


def config_in(folder: Path, model: Path, data: Path) -> TrainingConfig:
    return TrainingConfig(
        model=model,
        data=data,
        output=folder / "run",
        steps=8,
        learning_rate=1e-2,
        rank=4,
        warmup_steps=2,
        steps_per_eval=4,
        steps_per_save=4,
    )


@dataclass(frozen=True)
class Whole:
    """A run from its start to its end; nothing is written into its folder."""

    run: Path
    events: list[Event]


@pytest.fixture(scope="module")
def whole(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Whole:
    folder = tmp_path_factory.mktemp("whole")
    write_chats(folder / "chats.jsonl", 40)
    config = config_in(folder, tiny_model, folder / "chats.jsonl")
    return Whole(folder / "run", list(train(config)))


def of(events: list[Event], kind: type[E]) -> list[E]:
    return [event for event in events if isinstance(event, kind)]


def ending(events: list[Event]) -> RunFinished:
    assert len(of(events, RunFinished)) == 1
    assert isinstance(events[-1], RunFinished)
    return events[-1]


def after_steps(number: int) -> Callable[[], bool]:
    """A should_stop that says so once asked more often than `number` times."""
    asked = iter(range(10_000))
    return lambda: next(asked) >= number


def test_a_run_reports_every_step_from_the_weights(whole: Whole) -> None:
    events = whole.events
    steps = of(events, StepFinished)
    assert [s.step for s in steps] == list(range(1, 9))
    assert [s.fired for s in steps[:4]] == [(0,), (0, 1), (0,), (0, 1, 2)]
    for s in steps:
        assert all((delta > 0) == (tier in s.fired) for tier, delta in enumerate(s.deltas))
        assert s.pending == (0, s.step % 2, s.step % 4)
        assert s.loss > 0
        assert s.tokens_per_second > 0
    assert ending(events).outcome == "finished"
    assert [e.step for e in of(events, EvaluationFinished)] == [0, 4, 8]
    assert [e.step for e in of(events, CheckpointSaved)] == [4, 8]


def test_a_run_announces_its_examples_parameters_and_layers(whole: Whole) -> None:
    started = of(whole.events, RunStarted)[0]
    assert started.train_examples + started.valid_examples == 40
    assert started.trainable_parameters == sum(t.parameters for t in started.tiers)
    assert started.adapted_layers == (0, 1, 2, 3)


def test_validation_loss_falls(config: TrainingConfig) -> None:
    events = list(train(replace(config, steps=30, steps_per_eval=30)))
    first, last = of(events, EvaluationFinished)
    assert last.val_loss < first.val_loss


@pytest.mark.parametrize("kind", ["float32", "float16", "bfloat16", "4 bits"])
def test_mlx_lm_loads_the_adapter_and_answers_differently(
    config: TrainingConfig, make_model: Callable[..., Path], kind: str
) -> None:
    options: dict[str, Any] = {"bits": 4, "hidden": 64} if kind == "4 bits" else {"dtype": kind}
    config = replace(config, model=make_model(**options))
    end = ending(list(train(replace(config, steps=4))))
    assert end.adapter_dir is not None
    prompt = mx.array([[10, 20, 30, 40]])
    base, _ = mlx_lm.load(str(config.model))
    tuned, _ = mlx_lm.load(str(config.model), adapter_path=str(end.adapter_dir))
    difference = mx.max(mx.abs((base(prompt) - tuned(prompt)).astype(mx.float32))).item()
    assert difference > 1e-2


def test_the_adapter_on_disk_is_the_one_in_the_last_checkpoint_state(
    whole: Whole,
) -> None:
    end = ending(whole.events)
    assert end.adapter_dir is not None
    checkpoint = load_checkpoint(end.adapter_dir)
    state = checkpoint.state
    assert checkpoint.progress.step == 8
    numbers = sum(array.size for array in checkpoint.adapter.values())
    assert all(sum(v.size for v in part) == numbers for part in (state.m, state.v, state.pending))
    assert [count.item() for count in state.fired_counts] == [8, 4, 2]
    assert [count.item() for count in state.pending_counts] == [0, 0, 0]


def test_two_runs_of_one_config_are_equal_and_another_seed_is_not(config: TrainingConfig) -> None:
    def losses(name: str, seed: int) -> list[float]:
        changed = replace(
            config,
            output=config.output.with_name(name),
            seed=seed,
            steps=4,
            dropout=0.1,  # type: ignore[union-attr]
        )
        return [s.loss for s in of(list(train(changed)), StepFinished)]

    first = losses("a", 1)
    assert first == losses("b", 1)
    assert first != losses("c", 2)


def test_validation_does_not_change_the_training(config: TrainingConfig, tmp_path: Path) -> None:
    config = replace(
        config, steps=4, valid=config.data, dropout=0.2, data=_copy(config.data, tmp_path)
    )
    often = list(train(replace(config, steps_per_eval=1, output=tmp_path / "often")))
    never = list(train(replace(config, steps_per_eval=99, output=tmp_path / "never")))
    assert [s.loss for s in of(often, StepFinished)] == [s.loss for s in of(never, StepFinished)]


def test_accumulation_takes_more_batches_a_step(config: TrainingConfig) -> None:
    events = list(train(replace(config, grad_accumulation_steps=3, steps=4)))
    assert [s.fired for s in of(events, StepFinished)] == [(0,), (0, 1), (0,), (0, 1, 2)]
    assert of(events, RunStarted)[0].steps_per_epoch == 3


def test_the_files_match_the_events(whole: Whole) -> None:
    events = whole.events
    end = ending(events)
    kinds = (RunStarted, EvaluationFinished, CheckpointSaved)
    assert read_events(end.run_dir) == [to_json(e) for e in events if isinstance(e, kinds)]
    table = read_steps(end.run_dir)
    for row, step in zip(table.rows, of(events, StepFinished), strict=True):
        exact = ("step", "loss", "trained_tokens", "peak_memory_bytes", "gradient_norm")
        assert [row[name] for name in exact] == [getattr(step, name) for name in exact]
        for name in ("deltas", "drifts", "pending"):
            assert tuple(row[name]) == getattr(step, name)
        assert row["fired"] == sum(2**tier for tier in step.fired)
    seen = table.layer_deltas()
    assert seen == pytest.approx(
        np.array([step.layer_deltas for step in of(events, StepFinished)]), rel=0.05
    )
    manifest = read_manifest(end.run_dir)
    assert manifest["outcome"] == "finished"
    assert manifest["steps"] == 8
    assert manifest["best_val_loss"] == min(e.val_loss for e in of(events, EvaluationFinished))
    assert end.run_dir / manifest["adapter"] == end.adapter_dir


def test_questions_are_asked_before_and_after(config: TrainingConfig, tmp_path: Path) -> None:
    write_chats(tmp_path / "quiz.jsonl", 40)  # more than are asked at once
    config = replace(config, steps=2, eval_sets=(tmp_path / "quiz.jsonl",))
    events = list(train(config))
    scores = of(events, ScoreMeasured)
    assert [(s.when, s.total) for s in scores] == [("before", 40), ("after", 40)]
    assert scores[0].correct == 0


def test_a_stopped_run_keeps_a_checkpoint_of_its_last_step(config: TrainingConfig) -> None:
    events: list[Event] = []
    for event in train(config, should_stop=lambda: len(of(events, StepFinished)) == 3):
        events.append(event)
    end = ending(events)
    assert end.outcome == "stopped"
    assert end.steps == of(events, StepFinished)[-1].step == 3
    assert end.adapter_dir is not None
    assert load_checkpoint(end.adapter_dir).progress.step == end.steps


def test_closing_the_generator_keeps_a_checkpoint_too(config: TrainingConfig) -> None:
    events = train(config)
    for event in events:
        if isinstance(event, StepFinished) and event.step == 3:
            break
    events.close()  # type: ignore[attr-defined]
    assert config.output is not None
    manifest = read_manifest(config.output)
    assert manifest["outcome"] == "stopped"
    assert load_checkpoint(config.output / manifest["adapter"]).progress.step == 3


@pytest.mark.parametrize("is_closed", [False, True])
def test_a_run_that_is_over_leaves_none_of_its_model_to_the_garbage_collector(
    config: TrainingConfig, make_model: Callable[..., Path], is_closed: bool
) -> None:
    """The next run would load its own beside it; measured by MLX itself."""
    config = replace(config, model=make_model(hidden=128), steps=2)
    was_enabled = gc.isenabled()
    gc.collect()
    gc.disable()
    try:
        before = mx.get_active_memory()
        running = train(config)
        most = max(
            mx.get_active_memory() for _ in itertools.islice(running, 12 if is_closed else None)
        )
        running.close()  # type: ignore[attr-defined]
        after = mx.get_active_memory()
    finally:
        if was_enabled:
            gc.enable()
    weights = (config.model / "model.safetensors").stat().st_size
    assert most - before >= weights
    assert after - before < weights / 10


def test_a_run_stopped_before_its_first_step_has_no_adapter(config: TrainingConfig) -> None:
    end = ending(list(train(config, should_stop=lambda: True)))
    assert end.outcome == "stopped"
    assert end.adapter_dir is None


def test_a_run_can_be_stopped_while_it_prepares(config: TrainingConfig) -> None:
    for asked in range(3):
        events = list(train(config, should_stop=after_steps(asked)))
        assert ending(events).outcome == "stopped"
        assert not of(events, StepFinished)


@pytest.mark.parametrize("grad_checkpoint", [True, False])
@pytest.mark.parametrize("uses_compile", [True, False])
def test_memory_is_measured_before_the_first_step_where_layers_are_recomputed_on_a_gpu(
    config: TrainingConfig,
    monkeypatch: pytest.MonkeyPatch,
    uses_compile: bool,
    grad_checkpoint: bool,
) -> None:
    monkeypatch.setattr("app.engine.training.loop.uses_compile", lambda: uses_compile)
    events = list(train(replace(config, steps=1, grad_checkpoint=grad_checkpoint)))
    first = next(i for i, event in enumerate(events) if isinstance(event, StepFinished))
    stages = [e.stage for e in events[:first] if isinstance(e, StageChanged)]
    assert next(s for s in stages if s != "Hashing the base model") == "Loading the model"
    assert ("Measuring memory" in stages) == (uses_compile and grad_checkpoint)


# -- faults ------------------------------------------------------------------------------------


def refused(config: TrainingConfig) -> str:
    """The sentence with which `config` is refused; nothing may be left behind."""
    with pytest.raises(AppError) as caught:
        list(train(config))
    assert config.output is not None
    assert not config.output.exists()
    return str(caught.value)


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def test_bad_datasets_are_refused_in_a_sentence(config: TrainingConfig, tmp_path: Path) -> None:
    good = '{"messages":[{"role":"user","content":"a"},{"role":"assistant","content":"b"}]}\n'
    missing = replace(config, data=tmp_path / "missing.jsonl")
    assert "isn't there: put it back, or choose another." in refused(missing)
    assert "empty" in refused(replace(config, data=write(tmp_path / "empty.jsonl", "")))
    broken = write(tmp_path / "broken.jsonl", good * 3 + "{oops\n" + good)
    assert "broken.jsonl has 1 bad row: line 4" in refused(replace(config, data=broken))
    blank = write(tmp_path / "blank.jsonl", good * 5 + '{"text": ""}\n')
    assert "line 6" in refused(replace(config, data=blank))
    few = write(tmp_path / "few.jsonl", good * 3)
    assert "batch size of 4" in refused(replace(config, data=few))
    assert "longer than the limit of 8 tokens" in refused(replace(config, max_seq_length=8))
    assert "No dataset" in refused(replace(config, data=None))


def test_a_tier_without_parameters_is_refused(config: TrainingConfig) -> None:
    many = tuple(TierConfig(period) for period in (1, 2, 4, 8, 16))
    assert "Tier 4 would hold no parameters" in refused(replace(config, tiers=many))


def test_a_setting_out_of_range_is_refused(config: TrainingConfig) -> None:
    assert "Rank must be at least 1" in refused(replace(config, rank=0))
    assert "the model has only 4" in refused(replace(config, num_layers=9))


def test_an_output_folder_in_use_is_refused_and_left_alone(config: TrainingConfig) -> None:
    assert config.output is not None
    config.output.mkdir()
    kept = write(config.output / "thesis.txt", "mine")
    with pytest.raises(InputError, match="is not empty"):
        list(train(config))
    assert [p.name for p in config.output.iterdir()] == ["thesis.txt"]
    assert kept.read_text() == "mine"


def test_an_output_below_a_file_is_refused(config: TrainingConfig, tmp_path: Path) -> None:
    file = write(tmp_path / "file", "")
    with pytest.raises(InputError, match="a file is in its place"):
        list(train(replace(config, output=file / "run")))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_an_unwritable_output_is_refused(config: TrainingConfig, tmp_path: Path) -> None:
    locked = tmp_path / "locked"
    locked.mkdir(mode=0o500)
    with pytest.raises(InputError, match="no permission to write"):
        list(train(replace(config, output=locked / "run")))


def test_a_loss_that_is_not_a_number_ends_the_run_with_a_sentence(
    config: TrainingConfig, make_model: Callable[..., Path]
) -> None:
    broken = make_model()
    weights = mx.load(str(broken / "model.safetensors"))
    weights["model.norm.weight"] = weights["model.norm.weight"] * float("nan")
    mx.save_safetensors(str(broken / "model.safetensors"), weights, {"format": "mlx"})
    events = list(train(replace(config, model=broken)))
    end = ending(events)
    assert end.outcome == "failed"
    assert "The loss or its gradient was not a finite number 3 times in a row" in end.message
    assert "the base model's weights or config.json may be damaged" in end.message
    assert all(s.void and not s.fired for s in of(events, StepFinished))
    assert len([m for m in of(events, LogMessage) if "is void" in m.text]) == 3
    assert "NaN" not in (end.run_dir / "events.jsonl").read_text()
    assert np.isnan(read_steps(end.run_dir).rows["loss"]).all()
    json.loads((end.run_dir / "run.json").read_text())


def test_void_steps_after_good_ones_ask_for_a_lower_learning_rate() -> None:
    voids = NonFiniteSteps(in_a_row=2, in_all=2)
    with pytest.raises(RunError) as caught:
        list(voids.take(9, is_void=True))
    assert "Lower the learning rate" in caught.value.hint


def test_a_run_reports_its_void_steps_at_the_end(
    config: TrainingConfig, make_model: Callable[..., Path], tmp_path: Path
) -> None:
    """One of eight rows has a sign that the model can't take: one void step in every epoch."""
    model, data = make_model(), tmp_path / "one-bad.jsonl"
    _poison(model, "#")
    rows = [{"prompt": f"What is {i}", "completion": "A number"} for i in range(7)]
    data.write_text(
        "".join(f"{json.dumps(r)}\n" for r in [*rows, {"prompt": "#", "completion": "A"}])
    )
    config = replace(config, model=model, data=data, batch_size=1, validation_split=0.0, steps=16)
    events = list(train(config, stop_after=8))
    assert sum(s.void for s in of(events, StepFinished)) == 1
    assert (
        ending(events).message
        == "Stopped after step 8. 1 step was void: nothing was learned there."
    )
    message = ending(list(resume(tmp_path / "run"))).message
    assert message == "All 16 steps done. 2 steps were void: nothing was learned there."


def _poison(model: Path, sign: str) -> None:
    """Make the model's first layer, but not its logits elsewhere, fail on one sign."""
    weights = mx.load(str(model / "model.safetensors"))
    embedding = weights["model.embed_tokens.weight"]
    weights["lm_head.weight"] = embedding + 0
    token = json.loads((model / "tokenizer.json").read_text())["model"]["vocab"][sign]
    embedding[token] = float("nan")
    mx.save_safetensors(str(model / "model.safetensors"), weights, {"format": "mlx"})
    settings = json.loads((model / "config.json").read_text()) | {"tie_word_embeddings": False}
    (model / "config.json").write_text(json.dumps(settings))


def test_a_step_that_is_void_once_does_not_end_the_run(
    config: TrainingConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, calls = gradients.sum_cross_entropy, iter(range(10_000))
    monkeypatch.setattr(
        gradients,
        "sum_cross_entropy",
        lambda *a: real(*a) * (float("nan") if next(calls) == 5 else 1.0),
    )
    events = list(train(config))
    void = [s.step for s in of(events, StepFinished) if s.void]
    assert len(void) == 1
    assert ending(events).outcome == "finished"
    last = of(events, StepFinished)[-1]
    assert last.trained_tokens > 0


def test_weights_that_do_not_move_when_due_end_the_run(
    config: TrainingConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(step_module, "write_parameters", lambda model, updates: None)
    end = ending(list(train(config)))
    assert end.outcome == "failed"
    assert "due but its weights did not move" in end.message
    assert end.adapter_dir is None
    assert VerificationError.__name__ not in end.message


def test_running_out_of_memory_keeps_the_steps_before(
    config: TrainingConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = step_module.TrainingStep.run

    def limited(self: Any, batches: Any, step: int, rate: float) -> Any:
        if step == 4:
            raise RuntimeError("[METAL] Command buffer execution failed: Insufficient Memory")
        return real(self, batches, step, rate)

    monkeypatch.setattr(step_module.TrainingStep, "run", limited)
    end = ending(list(train(config)))
    assert end.outcome == "failed"
    assert "ran out of memory" in end.message
    assert end.adapter_dir is not None
    assert load_checkpoint(end.adapter_dir).progress.step == 3


def test_the_watchdog_is_recognised() -> None:
    message = "[METAL] Command buffer execution failed: Impacting Interactivity (0000000e:kIOGPU)"
    fault = as_run_error(RuntimeError(message))
    assert isinstance(fault, RunError)
    assert "macOS stopped the computation" in fault.message


def test_a_mixture_of_experts_that_a_processor_cannot_compute_is_named() -> None:
    x, weights = mx.ones((1, 1, 4), mx.bfloat16), mx.ones((2, 4, 4), mx.bfloat16)
    if mx.default_device().type != mx.DeviceType.cpu:
        pytest.skip("a GPU computes it")
    with pytest.raises(RuntimeError) as caught:
        mx.eval(mx.gather_mm(x, weights, rhs_indices=mx.array([1])))
    assert "in float32 only" in as_run_error(caught.value).message


@contextmanager
def small_disk(folder: Path, size: str) -> Iterator[Path]:
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)], capture_output=True
    )
    if mounted.returncode:
        pytest.skip("only root can mount a small disk")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def test_a_disk_that_fills_ends_the_run_and_keeps_the_checkpoint_before(
    config: TrainingConfig, tmp_path: Path
) -> None:
    config = replace(config, steps=200, steps_per_save=2, steps_per_eval=1000)
    with small_disk(tmp_path / "disk", "600k") as disk:
        end = ending(list(train(replace(config, output=disk / "run"))))
        assert end.outcome == "failed"
        assert "The disk is full" in end.message
        assert "then resume" in end.message
        assert end.adapter_dir is not None
        saved = sorted((disk / "run" / "checkpoints").iterdir())
        assert saved[-1] == end.adapter_dir
        assert not [folder for folder in saved if folder.name.endswith(".partial")]
        for folder in saved:
            load_checkpoint(folder)


def _copy(path: Path | None, folder: Path) -> Path:
    assert path is not None
    return write(folder / "copy.jsonl", path.read_text())


def test_runs_started_in_the_same_second_have_folders_of_their_own(
    config: TrainingConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = replace(config, output=None, steps=1)
    monkeypatch.setattr(trainer_module, "choose_run_dir", lambda *_: next(names))
    names = iter([tmp_path / "runs" / "same", tmp_path / "runs" / "same", tmp_path / "runs" / "2"])
    ends = [ending(list(train(config, runs_dir=tmp_path / "runs"))) for _ in range(2)]
    assert [end.run_dir.name for end in ends] == ["same", "2"]


def test_a_run_whose_folder_is_deleted_ends_at_once_and_says_so(config: TrainingConfig) -> None:
    events = []
    for event in train(replace(config, steps=50, steps_per_eval=50, steps_per_save=50)):
        events.append(event)
        if isinstance(event, StepFinished) and event.step == 2:
            assert config.output is not None
            shutil.rmtree(config.output)
    assert ending(events).outcome == "failed"
    assert "was deleted while it was training" in ending(events).message
    assert max(event.step for event in events if isinstance(event, StepFinished)) <= 3


def test_a_checkpoint_that_is_gone_is_not_named_at_the_end(config: TrainingConfig) -> None:
    events = []
    for event in train(replace(config, steps=4, steps_per_save=2)):
        events.append(event)
        if isinstance(event, CheckpointSaved) and event.step == 2:
            assert config.output is not None
            shutil.rmtree(config.output)
    assert ending(events).outcome == "failed"
    assert ending(events).adapter_dir is None
    assert str(config.output) in ending(events).message
