"""Models whose layers are not one call on hidden states: estimated all the same, or not at all."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import mlx.core as mx
import pytest

from app.core.config.training_config import TierConfig, TrainingConfig
from app.core.events import MemoryEstimated
from app.core.wording.memory import NO_ESTIMATE
from app.engine.adapter.adapter import add_adapter
from app.engine.batches.batches import BatchShape
from app.engine.memory import preflight
from app.engine.memory.estimate import memory_need
from app.engine.memory.preflight import estimate_memory, memory_estimate
from app.engine.memory.step_trace import MAX_OPERATIONS
from app.engine.model.shortened_model import few_layers_in_float32
from tests.engine import architectures
from tests.engine.architectures import NOT_BUILT
from tests.engine.memory.measured_peak import measured_peak

CONFIG = TrainingConfig(rank=4, tiers=(TierConfig(1), TierConfig(2)), batch_size=3)
FAR_OFF = 0.3
LAYERS: dict[str, dict[str, Any]] = {
    "gptj": {"n_layer": 8},  # called with its hidden states by name
    "hunyuan": {"num_hidden_layers": 8},  # gives keys and values to the layer after it
    "gemma4_text": {  # the same, to several
        "num_hidden_layers": 12, "num_kv_shared_layers": 6,
        "layer_types": ["sliding_attention", "full_attention"] * 6,
    },
    "iquestloopcoder": {"num_hidden_layers": 6},  # never called: the model calls its parts
}  # fmt: skip


UNTRACED = {
    "dbrx",  # computes numbers on its way
    "deepseek_v41",  # has no gradients, and is not trained
    "kimi_k3",  # compiles a part of its own
    "spark2_5",  # an operation that MLX can't describe
}

TRAINED = sorted({*architectures.names()} - {*NOT_BUILT} - {"recurrent_gemma"})
"""That one can't carry an adapter."""


def built(name: str) -> Any:
    """With several layers of a kind."""
    model = architectures.built(name, **LAYERS[name])
    add_adapter(model, CONFIG)
    model.train()
    return model


@pytest.mark.parametrize(
    ("name", "recomputes"),
    [
        ("gptj", True),
        ("hunyuan", False),
        ("iquestloopcoder", True),
        pytest.param("gemma4_text", False, marks=pytest.mark.slow),
    ],
)
def test_the_estimate_is_near_the_measured_peak(name: str, recomputes: bool) -> None:
    config = replace(CONFIG, grad_checkpoint=recomputes)
    shape = BatchShape((120, 120, 120))
    estimated = memory_need(built(name), config, shape).peak_bytes
    measured = measured_peak(built(name), config, shape, 1536)
    assert abs(estimated / measured - 1) < FAR_OFF, (estimated, measured)


def test_recomputed_layers_that_share_arrays_have_no_estimate(tmp_path: Path) -> None:
    """As a graph it would seem to need a third of what was measured."""
    architectures.save("hunyuan", tmp_path)
    config = replace(CONFIG, model=tmp_path)
    assert estimate_memory(config, longest=30) is not None
    assert estimate_memory(replace(config, grad_checkpoint=True), longest=30) is None


def test_advice_that_has_no_estimate_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    architectures.save("hunyuan", tmp_path)
    config = replace(CONFIG, model=tmp_path)
    known = estimate_memory(config, longest=30)
    assert known is not None
    monkeypatch.setattr(preflight, "available_bytes", lambda: int(0.9 * known.peak_bytes))
    estimate = estimate_memory(config, longest=30)
    assert estimate is not None
    assert estimate.advice
    assert not any("Recompute" in advice.text for advice in estimate.advice)


@pytest.mark.parametrize(("name", "count"), [("gptj", 2), ("hunyuan", 4)])
def test_a_trial_skips_their_layers_too(name: str, count: int) -> None:
    model = built(name)
    mx.eval(model.parameters())
    with few_layers_in_float32(model) as layers:
        assert layers == count
        assert mx.isfinite(model(mx.array([[1, 2, 3]]))).all().item()


def test_a_row_too_long_to_trace_gets_a_message_instead_of_an_estimate(
    tmp_path: Path,
) -> None:
    architectures.save("mamba", tmp_path)
    config = replace(CONFIG, model=tmp_path)
    short, long = (estimate_memory(config, longest=length) for length in (24, 2000))
    assert isinstance(short, MemoryEstimated)
    assert long is None
    (event,) = memory_estimate(config, [BatchShape((2000,))])
    assert getattr(event, "text", "") == NO_ESTIMATE
    assert MAX_OPERATIONS < 10**5


@pytest.mark.slow
@pytest.mark.parametrize("recomputes", [False, True])
@pytest.mark.parametrize("name", TRAINED)
def test_every_architecture_has_an_estimate_or_a_sentence(
    name: str, recomputes: bool, tmp_path: Path
) -> None:
    architectures.save(name, tmp_path)
    config = replace(CONFIG, model=tmp_path, grad_checkpoint=recomputes)
    (event,) = memory_estimate(config, [BatchShape((40, 30, 37))])
    if isinstance(event, MemoryEstimated):
        assert event.work_bytes > 0
    else:
        assert getattr(event, "text", "") == NO_ESTIMATE
        assert recomputes or name in UNTRACED
