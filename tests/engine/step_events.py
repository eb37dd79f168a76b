"""Steps of two runs, made comparable."""

from dataclasses import replace
from typing import Any

from app.core.events import StepFinished


def without_time(step: StepFinished) -> StepFinished:
    """`step` without its speed and memory, and with None for NaN, which equals nothing in a
    dataclass of Python 3.13."""
    missing: dict[str, Any] = {
        name: None
        for name, value in vars(step).items()
        if isinstance(value, float) and value != value
    }
    return replace(step, tokens_per_second=0.0, peak_memory_bytes=0, **missing)
