"""The measured peak of a model's step."""

import gc
from dataclasses import replace
from typing import Any

import mlx.core as mx
import numpy as np

from app.core.config.training_config import TrainingConfig
from app.engine.batches.batches import Batch, BatchLoader, BatchShape
from app.engine.clocks.slow_clock import SlowClock
from app.engine.model.lm_head import split_model
from app.engine.model.model_structure import trainable_parameters
from app.engine.tiers.assignment import make_plan
from app.engine.tiers.optimizer import TieredAdamW
from app.engine.training.step import TrainingStep
from tests.engine.packed_models import examples


def measured_peak(model: Any, config: TrainingConfig, shape: BatchShape, vocabulary: int) -> int:
    """Over two steps of a model not yet computed, the second of which fires both tiers; what was
    held before isn't counted."""
    gc.collect()
    active_before = mx.get_active_memory()
    mx.eval(model.parameters())
    plan = make_plan(trainable_parameters(model), config)
    optimizer = TieredAdamW(plan, slow_rate=config.slow_adamw_rate)
    head = split_model(model)
    state = optimizer.init(trainable_parameters(model))
    random = np.random.default_rng(0)
    tokens = random.integers(1, vocabulary, shape.size).astype(np.int32)
    batch = Batch(
        tokens, np.ones(tokens.shape, np.float32), shape.places if shape.is_packed else ()
    )
    lessons = BatchLoader(examples([60, 60, 60]), 1)
    step = TrainingStep(
        model, optimizer, state, trainable_parameters(model),
        head=head, recompute_layers=config.grad_checkpoint,
        slow=SlowClock(lessons, 1, 1, 4.0, 0, "") if config.slow_every else None,
        rules=replace(optimizer.rules(), slow_every=config.slow_every),
    )  # fmt: skip
    mx.eval(state.tree())
    del state
    mx.reset_peak_memory()
    for number in (1, 2):
        step.run([batch] * config.grad_accumulation_steps, number, 1e-4)
    return int(mx.get_peak_memory() - active_before)
