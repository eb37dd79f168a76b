"""Sequence packing: several examples in one row with block-diagonal attention; checks that a model
gives the same outputs packed as unpacked.

A packed batch is one row of tokens, [1, length], with its examples one after the other. Most layers
process each token alone; only attention must know where an example ends. So MLX's attention is
replaced by one call per example, with the example's queries, keys and part of the mask: masked
scores are not computed, and fused attention stays fused. Positions continue through the row, which
makes no difference to relative positions. Models with learned positions, convolutions, recurrent
states or their own attention give other outputs; the check before a run detects them.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import accumulate, groupby

import mlx.core as mx
import numpy as np

from app.core.system.interruption import interruptible
from app.engine.batches.batches import BatchShape
from app.engine.execution.attention import attention_in_chunks
from app.engine.execution.attention_call import Attention, replaced_attention
from app.engine.model.language_model import LanguageModel
from app.engine.model.lm_head import SplitModel, vocabulary_of
from app.engine.model.model_structure import evaluating
from app.engine.model.shortened_model import few_layers_in_float32
from app.engine.runtime.tolerances import HIDDEN_STATES

_SHORT_LENGTHS = (9, 7, 5, 4, 3, 2)
"""In a row of these lengths, every token is near a border."""
_WORST = 4
"""The factor by which a single token's error may exceed the tolerance."""


@contextmanager
def packed_attention(lengths: Sequence[int]) -> Iterator["BlockDiagonalAttention | None"]:
    """Inside, attention on a row of examples of these lengths stays within each example.

    Without lengths, nothing changes. Each example's attention goes to the attention that was
    active before.
    """
    if not lengths:
        yield None
        return
    attention = BlockDiagonalAttention(tuple(lengths))
    with replaced_attention(attention.wrapping):
        yield attention


def supports_packing(
    model: LanguageModel, head: SplitModel | None, shapes: Sequence[BatchShape]
) -> bool:
    """Whether the model gives the same outputs for packed examples as for each alone.

    Tries short examples, and a batch of the largest of `shapes`, whose masks, windows and positions
    are those of the run; in float32, with a few layers of each kind. The model must call MLX's
    attention in every layer.
    """
    largest = max(shapes, key=lambda shape: shape.cells)
    probes = (_SHORT_LENGTHS, largest.input_lengths)
    with (
        few_layers_in_float32(model) as layers,
        evaluating(model),
        attention_in_chunks(),
        interruptible,
    ):
        try:
            return all(_agrees(model, head, lengths, layers) for lengths in probes)
        except Exception:  # third-party model code can raise anything
            return False


class BlockDiagonalAttention:
    """Attention on one row, [1, heads, length, depth], in separate blocks of these lengths."""

    def __init__(self, lengths: tuple[int, ...]) -> None:
        self._lengths = lengths
        self._attend: Attention | None = None
        self.calls = 0

    def wrapping(self, attend: Attention) -> Attention:
        """This object, with `attend` for the attention within a block."""
        self._attend = attend
        return self

    def __call__(
        self,
        q: mx.array,
        k: mx.array,
        v: mx.array,
        *,
        mask: mx.array | str | None = None,
        **more: object,
    ) -> mx.array:
        if not q.shape[2] == k.shape[2] == sum(self._lengths) or q.shape[0] != 1:
            raise ValueError("The shape in a call of attention is not that of the packed row.")
        self.calls += 1
        assert self._attend is not None
        array = None if isinstance(mask, str) else mask
        runs = list(_runs(self._lengths, alone=array is not None))
        ends = tuple(accumulate(length * count for length, count in runs))
        parts = []
        # Split, not sliced: the gradient of a split is one concatenation.
        split = zip(*(part.split(ends[:-1], axis=2) for part in (q, k, v)), strict=True)
        for (length, count), end, qkv in zip(runs, ends, split, strict=True):
            seen = mask if array is None else _part(array, slice(end - length, end))
            rows = (_rows(part, count) for part in qkv)
            parts.append(_row(self._attend(*rows, mask=seen, **more)))
        return mx.concatenate(parts, axis=2)


def _runs(lengths: tuple[int, ...], *, alone: bool) -> Iterator[tuple[int, int]]:
    """Runs of equal lengths as (length, count); with `alone`, each length is a run of 1, because
    parts of a mask differ."""
    for length, group in groupby(lengths):
        count = len(list(group))
        yield from [(length, 1)] * count if alone else [(length, count)]


def _rows(part: mx.array, count: int) -> mx.array:
    """Reshape [1, heads, count · length, depth] to [count, heads, length, depth]."""
    if count == 1:
        return part
    _, heads, _, depth = part.shape
    return part.reshape(heads, count, -1, depth).swapaxes(0, 1)


def _row(rows: mx.array) -> mx.array:
    """The inverse of `_rows`."""
    count, heads, length, depth = rows.shape
    if count == 1:
        return rows
    return rows.swapaxes(0, 1).reshape(1, heads, count * length, depth)


def _part(mask: mx.array, here: slice) -> mx.array:
    return mask[..., here if mask.shape[-2] > 1 else slice(None), here]


def _agrees(
    model: LanguageModel, head: SplitModel | None, lengths: tuple[int, ...], layers: int
) -> bool:
    forward = head.hidden if head else model
    vocabulary = vocabulary_of(model, head)
    tokens = mx.array(np.random.default_rng(0).integers(0, vocabulary, (1, sum(lengths))))
    ends = np.cumsum(lengths).tolist()
    alone = mx.concatenate([forward(part) for part in tokens.split(ends[:-1], axis=1)], axis=1)
    with packed_attention(lengths) as attention:
        packed = forward(tokens)
    allowed = HIDDEN_STATES.for_dtype(alone.dtype)
    error = _relative_errors(packed.astype(mx.float32), alone.astype(mx.float32))
    is_near = mx.mean(error) <= allowed and mx.max(error) <= _WORST * allowed
    # False for NaN. A layer without a call of MLX's attention could mix examples undetected while
    # its weights or the adapter's are zero.
    return bool(is_near) and attention is not None and attention.calls >= layers


def _relative_errors(packed: mx.array, alone: mx.array) -> mx.array:
    """The relative error of each token's hidden state or logits, [1, length]."""
    norm = mx.linalg.norm
    return norm(packed - alone, axis=-1) / norm(alone, axis=-1)
