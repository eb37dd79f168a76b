"""Types of mlx-lm's models: `nn.Module`s that are called. Loads nothing."""

from typing import Any

import mlx.core as mx
import mlx.nn as nn


class CalledModule(nn.Module):
    """A module of any architecture, with the arguments and results of its own code."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        raise NotImplementedError


class LanguageModel(nn.Module):
    """A whole model: its layers, and the logits that it gives.

    mlx-lm's classes don't inherit from this one: it is what they have in common.
    """

    layers: list[CalledModule]

    def __call__(self, tokens: mx.array, cache: Any = None) -> mx.array:
        """Logits [rows, length, vocabulary] of int32 tokens [rows, length]."""
        raise NotImplementedError
