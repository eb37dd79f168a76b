"""Finds how many tokens and positions a model has embeddings for, by watching it read tokens.

Knows no architecture: an embedding that is asked for the probe's ids is that of the tokens, and one
that is asked for numbers that rise by one is that of learned positions. An id beyond the rows of
either would be read from whatever lies behind them in memory.
"""

from functools import partial

import mlx.core as mx
import mlx.nn as nn
import numpy as np

from app.core.base_model import ModelLimits
from app.core.system.interruption import interruptible
from app.engine.model.language_model import LanguageModel
from app.engine.model.model_structure import evaluating, reclassed
from app.engine.runtime.named_arrays import ModuleClass

_PROBE = (7, 3, 5, 6, 2, 4)
"""Ids that every vocabulary has, and that are no positions."""


def embedding_limits(model: LanguageModel) -> ModelLimits | None:
    """The rows of the embeddings that `model` looks up; None where no look-up was seen.

    The model's output is never computed.
    """
    lookups: list[tuple[int, mx.array]] = []
    kinds, noting = nn.Embedding | nn.QuantizedEmbedding, partial(_watching, lookups=lookups)
    try:
        embeddings = [module for module in model.modules() if isinstance(module, kinds)]
        with reclassed(embeddings, noting), evaluating(model), interruptible:
            model(mx.array([_PROBE], mx.int32))
            found = [(rows, np.array(ids).reshape(-1).tolist()) for rows, ids in lookups]
    except Exception:  # third-party model code can raise anything
        return None
    tokens = [rows for rows, ids in found if ids == list(_PROBE)]
    positions = [rows - ids[0] for rows, ids in found if _is_rising(ids)]
    if not tokens:
        return None
    return ModelLimits(embedding_rows=min(tokens), position_rows=min(positions, default=None))


def _is_rising(ids: list[int]) -> bool:
    return len(ids) == len(_PROBE) and ids == list(range(ids[0], ids[0] + len(ids)))


def _watching(kind: ModuleClass, lookups: list[tuple[int, mx.array]]) -> ModuleClass:
    """A subclass whose instances note their rows and the ids that they are called with."""

    def call(module: nn.Module, ids: mx.array) -> mx.array:
        lookups.append((int(module.weight.shape[0]), ids))
        return kind.__call__(module, ids)

    return type(kind.__name__, (kind,), {"__call__": call})
