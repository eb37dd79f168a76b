"""The learning rate of each optimizer step: a warm-up, then constant, linear or cosine."""

import math

from app.core.config.training_config import TrainingConfig


def learning_rate(config: TrainingConfig, step: int) -> float:
    """The rate of optimizer step `step` (1-based).

    It rises linearly over `warmup_steps` and then falls toward 0, which it would reach one step
    after the last: no step has a rate of 0, so a due tier always has a reason to move.
    """
    if step <= config.warmup_steps:
        return config.learning_rate * step / config.warmup_steps
    remaining = max(1, config.steps - config.warmup_steps)
    progress = min(1.0, (step - 1 - config.warmup_steps) / remaining)
    match config.lr_schedule:
        case "constant":
            return config.learning_rate
        case "linear":
            return config.learning_rate * (1.0 - progress)
        case "cosine":
            return config.learning_rate * 0.5 * (1.0 + math.cos(math.pi * progress))
