"""Made-up runs for the plots: events as the engine would send them."""

import math
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from app.core.events import RunStarted, StepFinished, TierFacts
from app.ui.plots.run_series import RunSeries

MakeStarted = Callable[..., RunStarted]
MakeSteps = Callable[..., Iterator[StepFinished]]


def _started(
    steps: int = 300, periods: tuple[int, ...] = (1, 2, 4), layers: tuple[int, ...] = (0, 1, 2, 3)
) -> RunStarted:
    return RunStarted(
        run_dir=Path("run"),
        name="run",
        model="model",
        steps=steps,
        base_parameters=1000,
        trainable_parameters=30,
        tiers=tuple(TierFacts(period, 1.0, 10, (0,), "layers") for period in periods),
        adapted_layers=layers,
        train_examples=10,
        valid_examples=2,
        steps_per_epoch=5,
        device="cpu",
    )


def _step(
    step: int,
    periods: tuple[int, ...] = (1, 2, 4),
    *,
    loss: float | None = None,
    layer_deltas: tuple[float, ...] = (0.1, 0.2, 0.3, 0.4),
    void: bool = False,
) -> StepFinished:
    fired = () if void else tuple(t for t, period in enumerate(periods) if step % period == 0)
    return StepFinished(
        step=step,
        loss=math.nan if void else 2.0 + math.sin(step) if loss is None else loss,
        learning_rate=1e-4,
        trained_tokens=step,
        tokens_per_second=100.0,
        peak_memory_bytes=1,
        fired=fired,
        deltas=tuple(0.01 * (t + 1) if t in fired else 0.0 for t in range(len(periods))),
        pending=tuple(0 for _ in periods),
        drifts=tuple(0.001 * step for _ in periods),
        layer_deltas=tuple(0.0 for _ in layer_deltas) if void else layer_deltas,
        gradient_norm=math.nan if void else 1.0,
        void=void,
    )


@pytest.fixture
def started() -> MakeStarted:
    """Makes the event that begins a run."""
    return _started


@pytest.fixture
def step() -> Callable[..., StepFinished]:
    """Makes one step."""
    return _step


@pytest.fixture
def run_of() -> Callable[..., RunSeries]:
    """Makes a run of some steps, every one as its tiers' periods say."""

    def make(steps: int, periods: tuple[int, ...] = (1, 2, 4)) -> RunSeries:
        run = RunSeries(_started(steps, periods))
        for number in range(1, steps + 1):
            run.add_step(_step(number, periods))
        return run

    return make
