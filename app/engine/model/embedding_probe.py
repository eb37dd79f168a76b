"""Finds how many tokens and positions a model has embeddings for, by recording its look-ups.

Works for any architecture: an embedding that is called with the probe's ids embeds tokens, and one
that is called with consecutive numbers embeds learned positions. MLX does not check bounds: for an
id beyond an embedding's rows, it reads the memory behind them.
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
"""Ids that every vocabulary has and that are not consecutive."""


def embedding_limits(model: LanguageModel) -> ModelLimits | None:
    """The row counts of `model`'s token and position embeddings; None if no look-up was recorded.

    The model's output is not computed.
    """
    lookups: list[tuple[int, mx.array]] = []
    kinds, recording = nn.Embedding | nn.QuantizedEmbedding, partial(_recording, lookups=lookups)
    try:
        embeddings = [module for module in model.modules() if isinstance(module, kinds)]
        with reclassed(embeddings, recording), evaluating(model), interruptible:
            model(mx.array([_PROBE], mx.int32))
            calls = [(rows, np.array(ids).reshape(-1).tolist()) for rows, ids in lookups]
    except Exception:  # third-party model code can raise anything
        return None
    tokens = [rows for rows, ids in calls if ids == list(_PROBE)]
    positions = [rows - ids[0] for rows, ids in calls if _is_consecutive(ids)]
    if not tokens:
        return None
    return ModelLimits(embedding_rows=min(tokens), position_rows=min(positions, default=None))


def _is_consecutive(ids: list[int]) -> bool:
    return len(ids) == len(_PROBE) and ids == list(range(ids[0], ids[0] + len(ids)))


def _recording(kind: ModuleClass, lookups: list[tuple[int, mx.array]]) -> ModuleClass:
    """A subclass that appends its row count and the ids of each call to `lookups`."""

    def call(module: nn.Module, ids: mx.array) -> mx.array:
        lookups.append((int(module.weight.shape[0]), ids))
        return kind.__call__(module, ids)

    return type(kind.__name__, (kind,), {"__call__": call})
