"""The divergence from the base by plain code, and the retention measurements of a run."""

from pathlib import Path
from typing import Any

import mlx.core as mx
import mlx.nn as nn
import pytest

from app.core.events import RetentionMeasured
from app.engine.batches.batches import Batch
from app.engine.clocks import general_text
from tests.conftest import write_chats


def plain_divergence(base: Any, tuned: Any, batch: Batch) -> Any:
    """Summed over a lesson's trained tokens, by the models' own code."""
    tokens, trained = mx.array(batch.tokens), mx.array(batch.trained[:, 1:])
    of_base, of_tuned = (
        nn.log_softmax(model(tokens[:, :-1]).astype(mx.float32), axis=-1) for model in (base, tuned)
    )
    of_base = mx.stop_gradient(of_base)
    return ((mx.exp(of_base) * (of_base - of_tuned)).sum(-1) * trained).sum()


def with_short_texts(patch: pytest.MonkeyPatch, folder: Path) -> None:
    """The tiny model's tokenizer knows single bytes: our own texts are too long for it."""
    write_chats(folder / "texts.jsonl", 32)
    patch.setattr(general_text, "general_text_file", lambda *_, **__: folder / "texts.jsonl")


def measured(events: list[Any]) -> list[RetentionMeasured]:
    return [event for event in events if isinstance(event, RetentionMeasured)]
