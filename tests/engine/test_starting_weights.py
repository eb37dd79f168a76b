"""A run that starts from an adapter: of a run of ours, or as mlx-lm wrote it."""

import json
import math
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import mlx.core as mx
import pytest

from app.core.config.adapter import FineTuneType
from app.core.config.training_config import TierConfig, TrainingConfig
from app.core.errors import InputError
from app.core.events import EvaluationFinished, Event, LogMessage, StepFinished
from app.engine.training.checkpoints import last_checkpoint
from app.engine.training.trainer import resume, train
from app.library.reading.run_details import read_details
from app.library.reading.starting_adapter import read_started_from
from app.library.run.manifest import IDENTITY, read_manifest, write_manifest
from app.library.run.metrics import read_steps

STEPS = 6


@pytest.fixture
def config(tiny_model: Path, chat_file: Path, tmp_path: Path) -> TrainingConfig:
    return TrainingConfig(
        model=tiny_model, data=chat_file, output=tmp_path / "first", steps=STEPS, rank=3,
        scale=7.0, keys="q_proj,down_proj", num_layers=1, learning_rate=1e-2, steps_per_eval=3,
        steps_per_save=2, dropout=0.0, assign="module", tiers=(TierConfig(1), TierConfig(2)),
    )  # fmt: skip


@pytest.fixture
def first(config: TrainingConfig) -> Path:
    list(train(config))
    return config.output or Path()


def plain(config: TrainingConfig, **changes: Any) -> TrainingConfig:
    """With the method's own settings at their defaults: those are to come from the adapter."""
    bare = TrainingConfig()
    defaults = {n: getattr(bare, n) for n in ("rank", "scale", "keys", "num_layers")}
    return replace(config, **(defaults | changes))


def second(config: TrainingConfig, adapter: Path, name: str = "second") -> TrainingConfig:
    assert config.output is not None
    return plain(config, adapter=adapter, output=config.output.parent / name)


def weights(folder: Path) -> dict[str, Any]:
    return mx.load(str(folder / "adapters.safetensors"))  # type: ignore[return-value]


def losses(events: list[Event]) -> list[float]:
    return [event.val_loss for event in events if isinstance(event, EvaluationFinished)]


def test_the_first_validation_is_that_of_the_adapter(config: TrainingConfig, first: Path) -> None:
    adapter = last_checkpoint(first)
    events = list(train(second(config, adapter)))
    whole = [e for e in read_details(first).evaluations if e.step == STEPS]
    assert losses(events)[0] == pytest.approx(whole[0].val_loss, abs=1e-6)
    assert losses(events)[0] < read_details(first).evaluations[0].val_loss


def test_the_settings_of_the_adapter_are_taken_over_and_logged(
    config: TrainingConfig, first: Path
) -> None:
    adapter = last_checkpoint(first)
    made = second(config, adapter)
    events = list(train(made))
    taken = read_details(made.output or Path()).config
    assert taken is not None
    assert (taken.rank, taken.scale, taken.num_layers) == (3, 7.0, 1)
    assert set(taken.keys.split(",")) == {"self_attn.q_proj", "mlp.down_proj"}
    texts = [e.text for e in events if isinstance(e, LogMessage) and "Starts from" in e.text]
    assert texts == [
        "Starts from chats, step 6: LoRA of rank 3, scale 7, in the top layer, on "
        "self_attn.q_proj, mlp.down_proj."
    ]


def test_a_run_is_a_starting_point_too_and_the_chain_is_kept(
    config: TrainingConfig, first: Path
) -> None:
    made = second(config, first)
    list(train(made))
    origin = read_started_from(read_manifest(made.output or Path()))
    assert origin is not None
    manifest = read_manifest(first)
    (best,) = (facts.step for facts in read_details(first).checkpoints if facts.is_best)
    assert (origin.run, origin.identity, origin.step) == ("chats", manifest[IDENTITY], best)


def test_drift_is_measured_from_the_adapter(config: TrainingConfig, first: Path) -> None:
    made = second(config, last_checkpoint(first))
    events = list(train(replace(made, steps=1)))
    (step,) = [event for event in events if isinstance(event, StepFinished)]
    moved = weights(last_checkpoint(made.output or Path()))
    begun = weights(made.output / "start") if made.output else {}
    distance = sum(mx.sum((moved[name] - begun[name]) ** 2).item() for name in begun) ** 0.5
    size = sum(mx.sum(begun[name] ** 2).item() for name in begun) ** 0.5
    assert step.drifts[0] == pytest.approx(distance / size, rel=1e-3) or step.drifts[
        0
    ] == pytest.approx(distance, rel=1e-3)


def test_a_run_stopped_anywhere_resumes_bit_equal_though_the_first_is_gone(
    config: TrainingConfig, first: Path
) -> None:
    adapter = last_checkpoint(first)
    whole, cut = second(config, adapter, "whole"), second(config, adapter, "cut")
    list(train(whole))
    list(train(cut, stop_after=3))
    shutil.rmtree(first)
    list(resume(cut.output or Path()))
    one, other = (weights(last_checkpoint(c.output or Path())) for c in (whole, cut))
    assert one.keys() == other.keys()
    assert all(mx.array_equal(one[name], other[name]).item() for name in one)
    recorded = [read_steps(c.output or Path()).rows["loss"].tolist() for c in (whole, cut)]
    assert recorded[0] == recorded[1]


def test_a_changed_start_is_refused_when_the_run_resumes(
    config: TrainingConfig, first: Path
) -> None:
    made = second(config, last_checkpoint(first))
    list(train(made, stop_after=3))
    start = (made.output or Path()) / "start"
    shutil.copy(last_checkpoint(made.output or Path()) / "adapters.safetensors", start)
    with pytest.raises(InputError, match="is not the adapter that this run started from"):
        list(resume(made.output or Path()))


def test_an_edited_origin_in_the_manifest_is_noticed(config: TrainingConfig, first: Path) -> None:
    made = second(config, last_checkpoint(first))
    list(train(made, stop_after=3))
    run_dir = made.output or Path()
    manifest = read_manifest(run_dir)
    manifest["started_from"]["sha256"] = "0" * 64
    write_manifest(run_dir, manifest)
    with pytest.raises(InputError, match="changed after the run began"):
        list(resume(run_dir))


@pytest.mark.parametrize("kind", ["lora", "dora"])
def test_an_adapter_that_mlx_lm_wrote_is_continued(
    kind: FineTuneType, config: TrainingConfig, tmp_path: Path
) -> None:
    folder = written_by_mlx_lm(tmp_path / "theirs", config.model, kind)
    made = second(config, folder)
    list(train(replace(made, steps=1)))
    kept = weights((made.output or Path()) / "start")
    theirs = weights(folder)
    assert kept.keys() == theirs.keys()
    assert all(mx.array_equal(kept[name], theirs[name]).item() for name in theirs)
    taken = read_details(made.output or Path()).config
    assert taken is not None
    assert (taken.fine_tune_type, taken.rank, taken.scale) == (kind, 5, 11.0)


def written_by_mlx_lm(folder: Path, base: Path, kind: str) -> Path:
    """With mlx-lm's own functions, as its trainer writes an adapter."""
    from mlx.utils import tree_flatten
    from mlx_lm.tuner.utils import linear_to_lora_layers
    from mlx_lm.utils import load_model

    model, _ = load_model(base)
    model.freeze()
    sizes = {"rank": 5, "scale": 11.0, "dropout": 0.0}
    linear_to_lora_layers(model, 2, sizes, use_dora=kind == "dora")
    values = {
        name: mx.random.normal(array.shape) * 0.05
        for name, array in tree_flatten(model.trainable_parameters())
    }
    folder.mkdir()
    mx.save_safetensors(str(folder / "adapters.safetensors"), values)
    config = {"fine_tune_type": kind, "num_layers": 2, "lora_parameters": sizes}
    (folder / "adapter_config.json").write_text(json.dumps(config))
    return folder


def changed_config(**changes: Any) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        path = folder / "adapter_config.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | changes))

    return change


def without_a_part(folder: Path) -> None:
    arrays = weights(folder)
    arrays.pop(sorted(arrays)[0])
    mx.save_safetensors(str(folder / "adapters.safetensors"), arrays)


def with_another_part(folder: Path) -> None:
    arrays = weights(folder)
    mx.save_safetensors(str(folder / "adapters.safetensors"), arrays | {"foo": mx.zeros(3)})


def with_a_nan(folder: Path) -> None:
    arrays = weights(folder)
    name = sorted(arrays)[0]
    mx.save_safetensors(
        str(folder / "adapters.safetensors"), arrays | {name: arrays[name] * float("nan")}
    )


def with_a_huge_rank(folder: Path) -> None:
    path = folder / "adapter_config.json"
    path.write_text(re.sub(r'"rank": \d+', '"rank": 1e400', path.read_text()))


def cut_short(folder: Path) -> None:
    path = folder / "adapters.safetensors"
    path.write_bytes(path.read_bytes()[:100])


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (changed_config(fine_tune_type="full"), "its fine_tune_type is 'full'"),
        (changed_config(lora_parameters={"scale": 1.0}), "rank is missing or not a number"),
        (
            changed_config(lora_parameters={"rank": "8", "scale": 1.0}),
            "rank is missing or not a number",
        ),
        (changed_config(lora_parameters={"rank": 8.5, "scale": 1.0}), "rank is not a whole number"),
        (changed_config(lora_parameters={"rank": math.inf, "scale": 1.0}), "adapter_config.json"),
        (with_a_huge_rank, "rank is not a whole number"),
        (changed_config(lora_parameters={"rank": 8, "scale": 1.0, "keys": "q"}), "not a list of"),
        (changed_config(num_layers=99), "does not fit the base model: Layers is set to 99"),
        (
            changed_config(lora_parameters={"rank": 8, "scale": 1.0, "keys": ["none.here"]}),
            "does not fit the base model: The model has no module named 'none.here'",
        ),
        (changed_config(num_layers=None), "num_layers is missing or not a number"),
        (changed_config(lora_parameters={"rank": 4, "scale": 1.0}), "does not fit the base model"),
        (without_a_part, "it has no weights for model.layers"),
        (with_another_part, "the model has no parameter foo"),
        (with_a_nan, "has infinite or NaN values in"),
        (cut_short, "can't be read"),
        (lambda folder: (folder / "adapter_config.json").write_text("{"), "can't be read"),
        (lambda folder: (folder / "adapter_config.json").write_text("[]"), "isn't an adapter's"),
        (lambda folder: (folder / "adapter_config.json").unlink(), "adapter_config.json is missi"),
        (lambda folder: (folder / "adapters.safetensors").unlink(), "safetensors is missing"),
    ],
)
def test_an_adapter_that_does_not_fit_is_refused_by_name_and_nothing_is_left(
    damage: Callable[[Path], object], words: str, config: TrainingConfig, tmp_path: Path
) -> None:
    folder = written_by_mlx_lm(tmp_path / "theirs", config.model, "lora")
    damage(folder)
    made = second(config, folder)
    with pytest.raises(InputError) as refused:
        list(train(made))
    assert words in refused.value.message
    assert "Use -1" not in refused.value.hint
    assert not (made.output or Path()).exists()


def test_a_run_stopped_before_its_first_step_leaves_nothing(
    config: TrainingConfig, first: Path
) -> None:
    made = second(config, first)
    list(train(made, should_stop=lambda: True))
    assert not (made.output or Path()).exists()


def test_a_run_without_an_adapter_keeps_no_start(first: Path) -> None:
    assert not (first / "start").exists()
    assert read_started_from(read_manifest(first)) is None


def test_a_start_that_is_a_link_is_named(config: TrainingConfig, first: Path) -> None:
    made = second(config, first)
    list(train(made, stop_after=3))
    run_dir = made.output or Path()
    (run_dir / "start").rename(run_dir / "elsewhere")
    (run_dir / "start").symlink_to(run_dir / "elsewhere")
    with pytest.raises(InputError, match="is a link to"):
        list(resume(run_dir))


def warnings(events: list[Event]) -> list[str]:
    return [e.text for e in events if isinstance(e, LogMessage) and e.is_warning]


def test_another_base_model_under_the_adapter_is_named(
    config: TrainingConfig, first: Path, tmp_path: Path
) -> None:
    made = replace(second(config, first), steps=1)
    assert warnings(list(train(made))) == []
    other = tmp_path / "other"
    shutil.copytree(config.model, other)
    tensors = mx.load(str(other / "model.safetensors"))
    name = sorted(tensors)[0]  # type: ignore[type-var]
    mx.save_safetensors(str(other / "model.safetensors"), tensors | {name: tensors[name] * 1.01})  # type: ignore[operator, index]
    (warning,) = warnings(list(train(replace(made, model=other, output=tmp_path / "third"))))
    assert warning.startswith(f"chats, step 6 was trained on another base model than {other}")
