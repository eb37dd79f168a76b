"""What a run's steps were made of, said at its end where datasets are mixed."""

from collections.abc import Iterator

from app.core.config.training_config import TrainingConfig
from app.core.events import LogMessage
from app.engine.training.setup import Prepared


def rows_taken(prepared: Prepared, config: TrainingConfig, steps: int) -> Iterator[LogMessage]:
    """How many rows of each dataset the first `steps` steps took; nothing if there is but one."""
    batches = steps * config.grad_accumulation_steps
    counts = prepared.train.rows_by_dataset(config.seed, batches)
    rows = [
        f"{count:,} of {part.name} ({count / sum(counts):.1%})"
        for part, count in zip(prepared.parts, counts, strict=True)
    ]
    if rows:
        yield LogMessage(f"{steps:,} steps took these rows: {', '.join(rows)}.")
