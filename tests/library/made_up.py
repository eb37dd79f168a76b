"""Made-up events of a run, without MLX, which the tests' conftest loads."""

from pathlib import Path

from app.core.events import RunStarted, StepFinished, TierFacts


def run_started(
    run_dir: Path, steps: int = 8, periods: tuple[int, ...] = (1, 2), layers: int = 4
) -> RunStarted:
    facts = tuple(TierFacts(period, 1.0, 10, (0,), "layers") for period in periods)
    return RunStarted(
        run_dir, run_dir.name, "model", steps, 1000, 20, facts, tuple(range(layers)), 36, 4, 9,
        "cpu",
    )  # fmt: skip


def made_up_step(number: int, periods: tuple[int, ...] = (1, 2), layers: int = 4) -> StepFinished:
    fired = tuple(tier for tier, period in enumerate(periods) if number % period == 0)
    return StepFinished(
        step=number, loss=1 + 2 / number, learning_rate=1e-3, trained_tokens=9 * number,
        tokens_per_second=8.0, peak_memory_bytes=7, fired=fired,
        deltas=tuple(0.5 / number if t in fired else 0.0 for t in range(len(periods))),
        pending=tuple(number % period for period in periods),
        drifts=tuple(0.1 * number for _ in periods), layer_deltas=(0.5 / number,) * layers,
        gradient_norm=2.0, void=False,
    )  # fmt: skip
