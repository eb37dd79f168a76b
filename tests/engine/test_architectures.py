"""Every architecture of mlx-lm that can be built small trains with mlx-lm's own gradients, or is
refused in one sentence."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import mlx.core as mx
import mlx_lm
import pytest

from app.core.config.training_config import TierConfig, TrainingConfig
from app.core.errors import AppError
from app.core.events import Event, RunFinished, StepFinished
from app.data.files.dataset_files import find_files
from app.engine.adapter.adapter import add_adapter
from app.engine.model.loading import load_architecture, load_tokenizer
from app.engine.model.model_structure import trainable_parameters
from app.engine.tiers.assignment import make_plan
from app.engine.training.checkpoints import load_checkpoint
from app.engine.training.dataset_opening import data_settings
from app.engine.training.trainer import train
from app.models.model_folder import folder_limits
from tests.at_once import open_data
from tests.engine import architectures, plain_trainer

SHORT_ROWS, LONG_ROWS = (40, 30, 37), (730, 30, 37)
"""Tokens of each row: one of 730 is longer than a chunk of attention."""
Rows = tuple[int, ...]
BETA = 0.9
SAMPLE = (
    "llama", "deepseek_v3", "olmo_hybrid", "gemma3n", "afm7", "gptj", "qwen3_moe", "gpt2",
    "hunyuan_v1_dense", "phi3small", "recurrent_gemma", "deepseek_v41",
)  # fmt: skip
REFUSED = {
    "deepseek_v41": "can't compute gradients",
    "phi3small": "a token sees later ones",
    "recurrent_gemma": "can't carry an adapter",
}
"""Part of the sentence."""
NOT_BUILT = {
    "bitnet": "its kernel is Metal's",
    "muse_spark": "its kernel is Metal's",
    "olmo": "a package is missing that it needs",
    "prism_hadamard_qwen35": "its weights are packed in a way of their own",
}
FIVE = ("llama", "youtu_llm", "gemma3_text", "gpt2", "mamba2")


class Trained:
    """A run of two steps on a small model, and what it left."""

    def __init__(
        self, name: str, home: Path, rows: Rows, kinds: dict[str, Any], **changes: Any
    ) -> None:
        self.model = home / "model"
        self.model.mkdir()
        architectures.save(name, self.model, **kinds)
        self.data = home / "rows.jsonl"
        write_rows(self.data, self.model, rows)
        self.config = TrainingConfig(
            model=self.model, data=self.data, batch_size=3, steps=2, steps_per_save=1, rank=4,
            learning_rate=1e-2, warmup_steps=0, lr_schedule="constant", weight_decay=0.0,
            max_grad_norm=0.0,
            validation_split=0.0, tiers=(TierConfig(1), TierConfig(2)), seed=5, **changes,
        )  # fmt: skip
        self.runs = home / "runs"
        self.events: list[Event] = []
        self.refusal: str | None = None
        try:
            for event in train(self.config, runs_dir=self.runs):
                self.events.append(event)
        except AppError as error:
            self.refusal = str(error)

    @property
    def folders(self) -> list[Path]:
        return list(self.runs.iterdir()) if self.runs.is_dir() else []

    def checkpoint(self, step: int) -> Path:
        return self.folders[0] / "checkpoints" / f"step-{step:06d}"

    def steps(self) -> list[StepFinished]:
        return [event for event in self.events if isinstance(event, StepFinished)]

    def log(self) -> str:
        return "\n".join(str(event) for event in self.events if "Log" in type(event).__name__)

    def rows(self) -> list[tuple[int, ...]]:
        tokenizer = load_tokenizer(self.model)
        view = open_data(
            find_files(self.data), tokenizer, data_settings(self.config, folder_limits(self.model))
        ).train
        return [view[index].tokens for index in range(len(view))]

    def gradients(self) -> dict[str, Any]:
        """Of the second step, from what the optimizer remembers after each."""
        model = load_architecture(self.model)
        add_adapter(model, self.config)
        parameters = trainable_parameters(model)
        plan = make_plan(parameters, self.config)
        one, two = (load_checkpoint(self.checkpoint(step)).state for step in (1, 2))
        slow = 2 * two.m[1] / (1 - BETA) - one.pending[1]
        return plan.unflatten({0: (two.m[0] - BETA * one.m[0]) / (1 - BETA), 1: slow}, parameters)


def write_rows(path: Path, model: Path, lengths: Rows) -> None:
    tokenizer = load_tokenizer(model)
    words = ["the", "river", "seven", "moon", "and", "light", "table", "answers", "green", "why"]
    rows = []
    for number, length in enumerate(lengths):
        text, index = "", number
        while len(tokenizer.encode(text)) < length - 2:
            index = (index * 7 + 3 + len(text)) % len(words)
            text += words[index] + " "
        rows.append(json.dumps({"text": text.strip()}))
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")


def fault(run: Trained, tolerance: float = 1e-5) -> str | None:
    """The faults of a run that was not refused."""
    ending = run.events[-1]
    if not isinstance(ending, RunFinished) or ending.outcome != "finished":
        return f"ended: {ending}"
    if [step.fired for step in run.steps()] != [(0,), (0, 1)]:
        return f"fired {[step.fired for step in run.steps()]}"
    model = plain_trainer.adapted(run.model, run.checkpoint(1))
    loss, expected = plain_trainer.loss_and_gradients(model, run.rows())
    if abs(run.steps()[1].loss - loss) > tolerance * loss:
        return f"loss {run.steps()[1].loss} for {loss}"
    found = run.gradients()
    if found.keys() != expected.keys():
        return f"gradients of {sorted(found.keys() ^ expected.keys())[:3]}"
    norms = {
        path: mx.linalg.norm(array.astype(mx.float32)).item() for path, array in expected.items()
    }
    largest = max(norms.values())
    for path, array in expected.items():
        off = mx.linalg.norm((found[path] - array).astype(mx.float32)).item()
        if not off <= tolerance * max(norms[path], 1e-2 * largest):
            return f"gradient of {path}: {off / max(norms[path], 1e-9):.2g} off"
    if largest == 0:
        return "no gradient at all"
    prompt = mx.array([run.rows()[1][:20]])
    loaded, _ = mlx_lm.load(str(run.model), adapter_path=str(run.checkpoint(2)))
    again = plain_trainer.adapted(run.model, run.checkpoint(2))
    if not mx.array_equal(loaded(prompt), again(prompt)).item():
        return "mlx_lm.load gives other logits"
    return None


def verdict(
    name: str, home: Path, rows: Rows, tolerance: float = 1e-5, *,
    kinds: Mapping[str, Any] | None = None, **changes: Any,
) -> str:  # fmt: skip
    """ "ok", "refused: …" or "wrong: …"."""
    run = Trained(name, home, rows, dict(kinds or {}), **changes)
    if run.refusal is not None:
        return f"wrong: left {run.folders}" if run.folders else f"refused: {run.refusal}"
    wrong = fault(run, tolerance)
    return f"wrong: {wrong}" if wrong else "ok"


def check(name: str, found: str) -> None:
    if name in REFUSED:
        assert found.startswith("refused: ")
        assert REFUSED[name] in found
    else:
        assert found == "ok"


@pytest.mark.parametrize("name", SAMPLE)
def test_a_sample_of_architectures_gets_mlx_lms_own_gradients(name: str, tmp_path: Path) -> None:
    rows = LONG_ROWS if name == "deepseek_v3" else SHORT_ROWS
    check(name, verdict(name, tmp_path, rows, grad_checkpoint=name == "olmo_hybrid"))


@pytest.mark.slow
@pytest.mark.parametrize("recomputes", [False, True])
@pytest.mark.parametrize("rows", [SHORT_ROWS, LONG_ROWS])
@pytest.mark.parametrize("name", sorted(set(architectures.names()) - set(NOT_BUILT)))
def test_every_architecture_gets_mlx_lms_own_gradients(
    name: str, rows: Rows, recomputes: bool, tmp_path: Path
) -> None:
    check(name, verdict(name, tmp_path, rows, grad_checkpoint=recomputes))


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(set(architectures.names()) - set(NOT_BUILT)))
def test_every_architecture_gets_mlx_lms_own_gradients_with_dora(name: str, tmp_path: Path) -> None:
    found = verdict(name, tmp_path, SHORT_ROWS, fine_tune_type="dora")
    if not found.startswith("refused: DoRA can't adapt"):
        check(name, found)


@pytest.mark.slow
@pytest.mark.parametrize("name", FIVE)
@pytest.mark.parametrize(
    ("kinds", "tolerance"), [({"bits": 4}, 1e-5), ({"dtype": "bfloat16"}, 5e-2)]
)
def test_five_of_them_do_in_four_bits_and_in_half_precision(
    name: str, kinds: dict[str, Any], tolerance: float, tmp_path: Path
) -> None:
    check(name, verdict(name, tmp_path, LONG_ROWS, tolerance, kinds=kinds))
