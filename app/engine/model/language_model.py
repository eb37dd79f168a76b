"""Types for mlx-lm's models, for type checkers. Loads nothing."""

from typing import Any

import mlx.core as mx
import mlx.nn as nn


class CalledModule(nn.Module):
    """A module of any architecture; arguments and results depend on its code."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        raise NotImplementedError


class LanguageModel(nn.Module):
    """A whole model with a list of layers; calling it returns logits.

    mlx-lm's classes don't inherit from this class; it describes their common interface.
    """

    layers: list[CalledModule]

    def __call__(self, tokens: mx.array, cache: Any = None) -> mx.array:
        """Logits [rows, length, vocabulary] of int32 tokens [rows, length]."""
        raise NotImplementedError
