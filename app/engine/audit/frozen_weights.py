"""Checks that the base model's weights keep their bits during a run.

Knows nothing of steps. A sum of bits stands for each array, so two numbers that change places
within an array are not seen.
"""

import mlx.core as mx
import numpy as np

from app.core.errors import VerificationError
from app.engine.audit.verification import OWN_FAULT
from app.engine.model.language_model import LanguageModel
from app.engine.model.parameter_tree import parameters, trainable_parameters
from app.engine.runtime.named_arrays import ArrayMap


class FrozenWeights:
    """The sums of the arrays that a model has and does not train. Lives on the MLX thread."""

    def __init__(self, model: LanguageModel) -> None:
        self._model = model
        self._sums = _sums(model)

    def check(self, step: int) -> None:
        """Raise VerificationError naming an array that changed, came or went since the start."""
        now = _sums(self._model)
        changed = [path for path in self._sums | now if self._sums.get(path) != now.get(path)]
        if not changed:
            return
        others = f" and {len(changed) - 1:,} more" if len(changed) > 1 else ""
        raise VerificationError(
            f"After step {step}, weights of the base model are not those the run began with: "
            f"{changed[0]}{others}.",
            OWN_FAULT,
        )


def _sums(model: LanguageModel) -> dict[str, int]:
    """By path, the sum of an array's words of bits, modulo 2³²."""
    words = {1: mx.uint8, 2: mx.uint16, 4: mx.uint32, 8: mx.uint32}
    frozen = _frozen(model)
    if not frozen:
        return {}
    sums = [mx.sum(array.view(words[array.itemsize])) for array in frozen.values()]
    return dict(zip(frozen, np.array(mx.stack(sums)).tolist(), strict=True))


def _frozen(model: LanguageModel) -> ArrayMap:
    trained = trainable_parameters(model)
    every = parameters(model).items()
    return {path: array for path, array in every if path not in trained and array.size}
