"""What the demo learns and forgets with and without the slow clock, on the starter model.

python -m tests.benchmarks.demo_clocks [--seeds N] [--arms PART,PART]

Each run is the demo's, but for its tiers and clocks. It asks the sample's new facts, which the
model does not know before, and 60 questions that it answers all before.
"""

import argparse
import os
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from statistics import fmean, stdev
from time import perf_counter
from typing import Any

from app.core.config.presets import demo_config, preset
from app.core.config.training_config import TierConfig
from app.core.events import EvaluationFinished, RetentionMeasured, ScoreMeasured
from app.core.files.paths import HOME_VARIABLE
from app.engine.training.trainer import train

FLAT: dict[str, Any] = {"tiers": (TierConfig(1),), "slow_every": 0, "lasting_pull": 0.0}
KEPT = preset("learn-and-keep").settings
ARMS: dict[str, Mapping[str, Any]] = {
    "plain AdamW": FLAT,
    "tiers 1, 2, 4": FLAT | {"tiers": tuple(map(TierConfig, (1, 2, 4)))},
    "Learn and keep, 6e-4": KEPT,
    "Learn and keep, 1e-3 (the demo)": {**KEPT, "learning_rate": 1e-3},
    "Keep more, 1e-3": {**preset("keep-more").settings, "learning_rate": 1e-3},
    "AdamW + slow clock, weight 1": FLAT | {"slow_every": 4, "slow_weight": 1.0},
    "AdamW + slow clock, weight 4": FLAT | {"slow_every": 4, "slow_weight": 4.0},
    "AdamW, interpolation 0.98": FLAT | {"interpolation": 0.98},
    "AdamW, interpolation 0.9": FLAT | {"interpolation": 0.9},
    "AdamW + slow clock, weight 4, interpolation 0.9": FLAT
    | {"slow_every": 4, "slow_weight": 4.0, "interpolation": 0.9},
}
COLUMNS = ("new facts of 29", "retention of 60", "KL, nats a token", "validation loss", "seconds")


def measured(settings: Mapping[str, Any], seed: int) -> tuple[float, ...]:
    """One run's figures, in the order of COLUMNS."""
    with tempfile.TemporaryDirectory() as folder:
        config = replace(demo_config(), seed=seed, output=Path(folder) / "run", **settings)
        begun = perf_counter()
        events = list(train(config))
        seconds = perf_counter() - begun
    scores = [e.correct for e in events if isinstance(e, ScoreMeasured) and e.when == "after"]
    divergence = [e.base_kl for e in events if isinstance(e, RetentionMeasured)]
    losses = [e.val_loss for e in events if isinstance(e, EvaluationFinished)]
    return *map(float, scores), divergence[-1], losses[-1], seconds


def rows(seeds: int) -> Iterator[str]:
    found: dict[str, list[tuple[float, ...]]] = {name: [] for name in ARMS}
    for seed in range(seeds):  # by turns, so that the machine's moods fall on all
        for name, settings in ARMS.items():
            found[name].append(measured(settings, seed))
            print(name, seed, *(f"{value:.3g}" for value in found[name][-1]), flush=True)
    yield f"| | {' | '.join(COLUMNS)} |"
    yield "|---" * (len(COLUMNS) + 1) + "|"
    for name, values in found.items():
        cells = (_cell(column) for column in zip(*values, strict=True))
        yield f"| {name} | {' | '.join(cells)} |"


def _cell(values: tuple[float, ...]) -> str:
    spread = f" ± {stdev(values):.2g}" if len(values) > 1 else ""
    return f"{fmean(values):.3g}{spread}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--arms", default="", help="parts of their names, with commas")
    asked = parser.parse_args()
    for name in [name for name in ARMS if not any(p in name for p in asked.arms.split(","))]:
        del ARMS[name]
    seeds = asked.seeds
    with tempfile.TemporaryDirectory() as home:
        os.environ[HOME_VARIABLE] = home
        print("\n".join(rows(seeds)))


if __name__ == "__main__":
    main()
