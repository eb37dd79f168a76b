"""What is said to make a run fit does make it fit."""

from dataclasses import replace
from pathlib import Path

import pytest

from app.core.config.training_config import TierConfig, TrainingConfig
from app.core.events import MemoryAdvice, MemoryEstimated
from app.engine.memory import preflight
from app.engine.memory.preflight import early_memory_warning, estimate_memory
from app.engine.runtime.mlx_runtime import available_bytes

LONGEST = 300


@pytest.fixture
def config(tiny_model: Path) -> TrainingConfig:
    return TrainingConfig(model=tiny_model, tiers=(TierConfig(1),), batch_size=6)


def estimate_with(
    config: TrainingConfig, share: float, monkeypatch: pytest.MonkeyPatch
) -> MemoryEstimated:
    """On a machine that gives this share of what the run would need."""
    known = estimate_memory(config, LONGEST)
    assert known is not None
    monkeypatch.setattr(preflight, "available_bytes", lambda: int(share * known.peak_bytes))
    estimate = estimate_memory(config, LONGEST)
    assert estimate is not None
    return estimate


@pytest.mark.parametrize(
    ("share", "verdict"), [(1.3, "fits"), (1.1, "tight"), (0.9, "won't fit"), (0.1, "won't fit")]
)
def test_the_verdict_goes_by_what_the_machine_gives(
    config: TrainingConfig, share: float, verdict: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    estimate = estimate_with(config, share, monkeypatch)
    assert estimate.verdict == verdict
    assert bool(estimate.advice) == (verdict != "fits")


@pytest.mark.parametrize("share", [1.1, 0.7, 0.3, 0.1])
def test_every_advice_fits_when_it_is_followed(
    config: TrainingConfig, share: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    estimate = estimate_with(config, share, monkeypatch)
    assert estimate.advice
    for advice in estimate.advice:
        if not advice.settings:
            continue
        followed = replace(config, **dict(advice.settings))
        assert not followed.problems()
        again = estimate_memory(followed, LONGEST)
        assert again is not None
        assert again.verdict == "fits", advice
        assert again.peak_bytes == advice.peak_bytes
        product = followed.batch_size * followed.grad_accumulation_steps
        assert product == config.batch_size * config.grad_accumulation_steps


def test_what_costs_only_time_is_advised_together_before_the_data_is_cut(
    config: TrainingConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = [replace(config, grad_checkpoint=True), replace(config, batch_size=1)]
    both = replace(config, grad_checkpoint=True, batch_size=1, grad_accumulation_steps=6)
    known = [estimate_memory(one, LONGEST) for one in (config, *alone, both)]
    whole, *single, together = (one.peak_bytes for one in known if one is not None)
    assert 1.25 * together < min(single)
    estimate = estimate_with(config, 1.25 * together / whole, monkeypatch)
    settings = dict(estimate.advice[0].settings)
    assert set(settings) == {"grad_checkpoint", "batch_size", "grad_accumulation_steps"}


def test_where_no_single_change_is_enough_some_are_advised_together(
    config: TrainingConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Long rows, of which a batch of one or of a shorter limit alone is still too much.
    (advice,) = estimate_with(config, 0.05, monkeypatch).advice
    assert len(advice.settings) > 1
    assert isinstance(advice, MemoryAdvice)


def test_a_length_beyond_the_limit_counts_as_the_limit(config: TrainingConfig) -> None:
    short = replace(config, max_seq_length=64)
    assert estimate_memory(short, LONGEST) == replace(
        estimate_memory(short) or pytest.fail("no estimate"), is_bound=False
    )


def test_the_machine_gives_something() -> None:
    assert available_bytes() > 2**28


@pytest.mark.parametrize(("machine_bytes", "is_warned"), [(2**20, True), (2**33, False)])
def test_before_loading_only_a_model_large_for_the_machine_is_estimated(
    config: TrainingConfig,
    machine_bytes: int,
    is_warned: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[TrainingConfig] = []

    def asking(config: TrainingConfig, **_: object) -> MemoryEstimated | None:
        asked.append(config)
        return estimate_memory(config)

    monkeypatch.setattr(preflight, "available_bytes", lambda: machine_bytes)
    monkeypatch.setattr(preflight, "estimate_memory", asking)
    warnings = [
        event for event in early_memory_warning(config) if isinstance(event, MemoryEstimated)
    ]
    assert bool(asked) == bool(warnings) == is_warned
