"""Steps over the tiny model with its adapter, and batches for them."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import mlx.core as mx
import numpy as np

from app.core.config.training_config import TierConfig, TrainingConfig
from app.engine.adapter.adapter import add_adapter
from app.engine.batches.batches import Batch
from app.engine.model.loading import load_base_model
from app.engine.model.model_structure import trainable_parameters
from app.engine.tiers.assignment import make_plan
from app.engine.tiers.optimizer import TieredAdamW
from app.engine.training.step import TrainingStep


def training_step(path: Path, periods: Sequence[int] = (1, 2, 4), **options: Any) -> TrainingStep:
    model = load_base_model(path).model
    config = TrainingConfig(rank=4, tiers=tuple(TierConfig(p) for p in periods))
    add_adapter(model, config)
    mx.eval(model.parameters())
    model.train()
    start = trainable_parameters(model)
    optimizer = TieredAdamW(make_plan(start, config), **options)
    return TrainingStep(model, optimizer, optimizer.init(start), start)


def batch(rows: int = 4, length: int = 12, seed: int = 0, share: float = 0.6) -> Batch:
    random = np.random.default_rng(seed)
    trained = (random.random((rows, length)) < share).astype(np.float32)
    trained[:, 0] = 0.0
    return Batch(random.integers(3, 250, (rows, length)).astype(np.int32), trained)
