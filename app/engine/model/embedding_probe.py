"""Finds how many tokens and positions a model has embeddings for, by watching it read tokens.

Knows no architecture: an embedding that is asked for the probe's ids is that of the tokens, and one
that is asked for numbers that rise by one is that of learned positions. An id beyond the rows of
either would be read from whatever lies behind them in memory.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import mlx.core as mx
import mlx.nn as nn
import numpy as np

from app.core.base_model import ModelLimits
from app.core.system.interruption import interruptible
from app.engine.model.language_model import LanguageModel
from app.engine.model.model_structure import evaluating
from app.engine.runtime.named_arrays import ModuleClass

_PROBE = (7, 3, 5, 6, 2, 4)
"""Ids that every vocabulary has, and that are no positions."""


def embedding_limits(model: LanguageModel) -> ModelLimits | None:
    """The rows of the embeddings that `model` looks up; None where no look-up was seen.

    The model's output is never computed.
    """
    try:
        with _lookups(model) as lookups, evaluating(model), interruptible:
            model(mx.array([_PROBE], mx.int32))
            found = [(rows, np.array(ids).reshape(-1).tolist()) for rows, ids in lookups]
    except Exception:  # an architecture's own code, called as it was not written to be
        return None
    tokens = [rows for rows, ids in found if ids == list(_PROBE)]
    positions = [rows - ids[0] for rows, ids in found if _is_rising(ids)]
    if not tokens:
        return None
    return ModelLimits(embedding_rows=min(tokens), position_rows=min(positions, default=None))


def _is_rising(ids: list[int]) -> bool:
    return len(ids) == len(_PROBE) and ids == list(range(ids[0], ids[0] + len(ids)))


@contextmanager
def _lookups(model: LanguageModel) -> Iterator[list[tuple[int, mx.array]]]:
    """Inside, each embedding's rows and the ids that it is asked for."""
    lookups: list[tuple[int, mx.array]] = []
    embeddings = {
        id(module): module  # once, though it may stand at two places
        for module in model.modules()
        if isinstance(module, nn.Embedding | nn.QuantizedEmbedding)
    }
    kinds = {number: type(module) for number, module in embeddings.items()}
    try:
        for module in embeddings.values():
            module.__class__ = _watching(type(module), lookups)
        yield lookups
    finally:
        for number, module in embeddings.items():
            module.__class__ = kinds[number]


def _watching(kind: ModuleClass, lookups: list[tuple[int, mx.array]]) -> ModuleClass:
    """A subclass whose instances note their rows and the ids that they are called with."""

    def call(module: nn.Module, ids: mx.array) -> mx.array:
        lookups.append((int(module.weight.shape[0]), ids))
        return kind.__call__(module, ids)

    return type(kind.__name__, (kind,), {"__call__": call})
