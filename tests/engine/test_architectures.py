"""Every architecture of mlx-lm that can be built small trains with mlx-lm's own gradients, or is
refused in one sentence."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import mlx.core as mx
import mlx_lm
import pytest

from app.core.events import RunFinished
from tests.engine import architectures, plain_trainer
from tests.engine.architectures import NOT_BUILT, REFUSED
from tests.engine.trained_architecture import Rows, Trained

SHORT_ROWS, LONG_ROWS = (40, 30, 37), (730, 30, 37)
"""Tokens of each row: one of 730 is longer than a chunk of attention."""
SAMPLE = (
    "llama", "deepseek_v3", "olmo_hybrid", "gemma3n", "afm7", "gptj", "qwen3_moe", "gpt2",
    "hunyuan_v1_dense", "phi3small", "recurrent_gemma", "deepseek_v41",
)  # fmt: skip
FIVE = ("llama", "youtu_llm", "gemma3_text", "gpt2", "mamba2")


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
