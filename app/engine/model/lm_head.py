"""Splits a language model into a trunk, from tokens to hidden states, and a head, to logits.

Works for any architecture: the trunk is the module that contains the model's layers. The head is
the model's own code, run with given hidden states in place of the trunk's output, so tied weights,
quantized heads, soft caps and scales need no special case. Both halves together are compared with
the whole model once, on a probe.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from math import prod

import mlx.core as mx

from app.core.system.interruption import interruptible
from app.engine.model.language_model import CalledModule, LanguageModel
from app.engine.model.model_structure import (
    ModuleProxy,
    evaluating,
    find_layers_path,
    get_module,
    trainable_parameters,
)
from app.engine.runtime.named_arrays import ArrayFunction, number
from app.engine.runtime.tolerances import LOGITS

PROBE_SHAPE = (2, 8)


@dataclass(frozen=True)
class SplitModel:
    """The two halves of `model`. Don't call them from inside the model's own call."""

    model: LanguageModel
    trunk_path: str
    """Dotted path of the trunk, for example "model" or "language_model.model"."""
    vocabulary: int

    def hidden(self, tokens: mx.array) -> mx.array:
        """Hidden states [batch, length, hidden] of int32 tokens [batch, length]."""
        seen: list[mx.array] = []

        def record(trunk: CalledModule, *args: object, **kwargs: object) -> mx.array:
            seen.append(trunk(*args, **kwargs))
            return seen[-1]

        with self._trunk_called_by(record):
            self.model(tokens)  # MLX is lazy, so the logits are not computed
        return seen[0]

    def logits(self, hidden: mx.array) -> mx.array:
        """Logits [rows, vocabulary] of hidden states [rows, hidden]."""
        rows = hidden[None]
        with self._trunk_called_by(lambda *_, **__: rows):
            # Not [0]: indexing copies the logits, and again in the backward pass.
            return self.model(mx.zeros(rows.shape[:2], mx.int32)).squeeze(0)

    @contextmanager
    def _trunk_called_by(self, call: ArrayFunction) -> Iterator[None]:
        """Inside, the model calls `call(trunk, …)` instead of its trunk."""
        owner_path, _, name = self.trunk_path.rpartition(".")
        owner = get_module(self.model, owner_path)
        trunk = owner[name]
        owner[name] = ModuleProxy(trunk, call)
        try:
            yield
        finally:
            owner[name] = trunk


def split_model(model: LanguageModel) -> SplitModel | None:
    """The model's two halves; None if no split gives the model's own logits.

    Also None if a parameter outside the layers is trained, because the head passes no gradient to
    its own weights. Evaluates the model a few times.
    """
    with evaluating(model), interruptible:
        return _first(model, _is_exact)


def split_by_shapes(model: LanguageModel) -> SplitModel | None:
    """`split_model` by shapes alone: computes nothing and reads no weights."""
    return _first(model, lambda *_: True)


def vocabulary_of(model: LanguageModel, head: SplitModel | None) -> int:
    """The number of logits per token. Computes nothing: MLX is lazy."""
    return head.vocabulary if head else int(model(mx.zeros(PROBE_SHAPE, mx.int32)).shape[-1])


def _first(model: LanguageModel, is_valid: Callable[..., bool]) -> SplitModel | None:
    layers_path = find_layers_path(model)
    if layers_path is None or not _trains_only(model, layers_path):
        return None
    path = layers_path.rpartition(".")[0]
    while path:
        if head := _tried(model, path, is_valid):
            return head
        path = path.rpartition(".")[0]
    return None


def _trains_only(model: LanguageModel, layers_path: str) -> bool:
    return all(path.startswith(f"{layers_path}.") for path in trainable_parameters(model))


def _tried(
    model: LanguageModel, trunk_path: str, is_valid: Callable[..., bool]
) -> SplitModel | None:
    tokens = _probe()
    try:
        whole = model(tokens)
        head = SplitModel(model, trunk_path, whole.shape[-1])
        hidden = head.hidden(tokens)
        # A module that returns logits is a whole model, not a trunk.
        if hidden.shape[:2] != PROBE_SHAPE or hidden.shape[-1] == whole.shape[-1]:
            return None
        return head if is_valid(head, hidden, whole) else None
    except Exception:  # third-party model code can raise anything
        return None


def _probe() -> mx.array:
    return mx.arange(prod(PROBE_SHAPE), dtype=mx.int32).reshape(PROBE_SHAPE)


def _is_exact(head: SplitModel, hidden: mx.array, whole: mx.array) -> bool:
    """Whether the head computes the whole model's logits from its hidden states."""
    count = hidden.shape[0] * hidden.shape[1]
    rows = mx.arange(1, count, 2)
    halves = head.logits(hidden.reshape(count, -1)[rows])
    return _agree(halves, whole.reshape(count, -1)[rows])


def _agree(halves: mx.array, whole: mx.array) -> bool:
    if halves.shape != whole.shape or halves.dtype != whole.dtype:
        return False
    allowed = LOGITS.for_dtype(whole.dtype)
    wide = whole.astype(mx.float32)
    difference = number(mx.max(mx.abs(halves.astype(mx.float32) - wide)))
    # False if a logit is NaN.
    return bool(difference <= allowed * number(mx.max(mx.abs(wide))))
