"""Rows of the runs' table, made up."""

from datetime import UTC, datetime
from pathlib import Path

from app.library.reading.run_summary import Retention, RunSummary

NOON = datetime(2026, 11, 2, 12, 0, tzinfo=UTC)


def summary(name: str, **changes: object) -> RunSummary:
    facts: dict[str, object] = {
        "run_dir": Path("/runs") / name,
        "name": name,
        "model": "/models/Qwen3-0.6B",
        "data": "/data/letters/train.jsonl",
        "created": NOON,
        "steps": 300,
        "outcome": "finished",
        "best_val_loss": 1.25,
        "adapter_dir": Path("/runs") / name / "checkpoints" / "step-000300",
        "size_bytes": 52_000,
        "periods": (1, 2, 4),
        "retention": Retention(47, 45, 50),
    }
    return RunSummary(**(facts | changes))  # type: ignore[arg-type]
