"""Chunked attention for training on long sequences: a chunk of queries at a time, forward and
backward.

On the CPU and on Metal, MLX's attention is not fused in training: each head has a full matrix of
scores, of which a causal mask hides half, and several such matrices exist at once. Here a chunk of
queries uses only the keys that the mask allows: half the work, and half of one matrix is kept for
the backward pass.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeGuard

import mlx.core as mx

from app.engine.execution.attention_call import Attention, replaced_attention
from app.engine.runtime.custom_gradients import custom_function
from app.engine.runtime.mlx_runtime import has_fused_attention_gradient

Mask = mx.array | str | None
"""A mask as in MLX: "causal", a boolean array, or an array that is added to the scores."""
Vectors = tuple[mx.array, ...]

CHUNK = 256
"""Queries per chunk."""
MIN_LENGTH = 2 * CHUNK
"""Shorter sequences use MLX's attention, because chunks would save too little."""


@contextmanager
def attention_in_chunks() -> Iterator[None]:
    """Inside, a model's calls of MLX's attention on long sequences use `chunked_attention`.

    Without effect where MLX's own gradient is fused.
    """
    if has_fused_attention_gradient():
        yield
        return
    with replaced_attention(_in_chunks_where_it_can):
        yield


def _in_chunks_where_it_can(original: Attention) -> Attention:
    def attention(
        q: mx.array, k: mx.array, v: mx.array, *, scale: float, mask: Mask = None, **more: object
    ) -> mx.array:
        # Other options, such as attention sinks, are left to MLX.
        if any(value is not None for value in more.values()) or not _can_be_cut(q, k):
            return original(q, k, v, scale=scale, mask=mask, **more)
        return chunked_attention(q, k, v, scale=scale, mask=mask)

    return attention


def chunked_attention(
    q: mx.array, k: mx.array, v: mx.array, *, scale: float, mask: Mask = None
) -> mx.array:
    """softmax(scale · q kᵀ + mask) v, in the shape of q.

    q is [batch, heads, length, depth]; k and v are [batch, key heads, length, depth]. `mask` is
    None, "causal", or an array that broadcasts to [batch, heads, length, length]: either boolean,
    True where a key is visible, or additive. q, k, v and an additive mask have gradients, since
    some models compute a part of their scores as a mask. Unused gradients are not computed.
    """
    added = [mask] if _is_array(mask) and mask.dtype != mx.bool_ else []
    chunks = _Chunks(scale, None if added else mask, repeats=q.shape[1] // k.shape[1])

    @custom_function
    def attend(q: mx.array, k: mx.array, v: mx.array, *added: mx.array) -> tuple[mx.array, ...]:
        parts: list[mx.array] = []
        kept: list[mx.array] = []
        for start, stop, seen in chunks.ranges(q.shape[2]):
            # One chunk after the other, so that a chunk's scores are freed before the next.
            queries = chunks.folded(_after(q, parts), start, stop)
            scores = chunks.scores(queries, k[..., :seen, :], start, stop, *added)
            weights = mx.softmax(scores, axis=-1, precise=True)
            kept.append(weights)
            parts.append(chunks.unfolded(weights @ v[..., :seen, :]))
        return mx.concatenate(parts, axis=2), *kept

    @attend.vjp
    def _(primals: Vectors, cotangents: Vectors, outputs: Vectors) -> tuple[mx.array, ...]:
        (q, k, v, *added), error_of_all, (output, *kept) = primals, cotangents[0], outputs
        # Summed over the chunks in float32, for any dtype of the model.
        key_gradient, value_gradient = mx.zeros(k.shape, mx.float32), mx.zeros(v.shape, mx.float32)
        parts: list[mx.array] = []
        mask_parts: list[mx.array] = []
        ranges = chunks.ranges(q.shape[2])
        for (start, stop, seen), weights in zip(ranges, kept, strict=True):
            error = chunks.folded(_after(error_of_all, [value_gradient]), start, stop)
            inner = mx.sum(error * chunks.folded(output, start, stop), -1, keepdims=True)
            scores = weights * (error @ v[..., :seen, :].swapaxes(-1, -2) - inner)
            if added:
                mask_parts.append(_summed_to(added[0].shape, chunks.unfolded(scores)))
            # Scale the smaller arrays, not the scores.
            parts.append(chunks.unfolded(scores @ k[..., :seen, :] * scale))
            queries = chunks.folded(q, start, stop) * scale
            key_gradient = _added(key_gradient, scores.swapaxes(-1, -2) @ queries)
            value_gradient = _added(value_gradient, weights.swapaxes(-1, -2) @ error)
        gradients = [mx.concatenate(parts, axis=2), key_gradient, value_gradient]
        gradients += [_joined(array.shape, mask_parts) for array in added]
        return tuple(g.astype(p.dtype) for g, p in zip(gradients, primals, strict=True))

    return attend(q, k, v, *added)[0]


@dataclass(frozen=True)
class _Chunks:
    """Chunks of queries, with the part of the mask for each."""

    scale: float
    mask: Mask
    repeats: int
    """Query heads per key head; they are folded into the queries, so that keys need no copies."""

    def ranges(self, length: int) -> Iterator[tuple[int, int, int]]:
        """For each chunk, its queries `start:stop` and the number of keys that it uses."""
        is_causal = isinstance(self.mask, str)
        for start in range(0, length, CHUNK):
            stop = min(start + CHUNK, length)
            yield start, stop, stop if is_causal else length

    def folded(self, array: mx.array, start: int, stop: int) -> mx.array:
        """The queries `start:stop` as [batch, key heads, repeats · queries, depth]."""
        part = array[:, :, start:stop]
        batch, heads, _, depth = part.shape
        return part.reshape(batch, heads // self.repeats, -1, depth)

    def unfolded(self, array: mx.array) -> mx.array:
        """Back to [batch, heads, queries, depth]."""
        batch, key_heads, rows, depth = array.shape
        return array.reshape(batch, key_heads * self.repeats, rows // self.repeats, depth)

    def scores(
        self, queries: mx.array, keys: mx.array, start: int, stop: int, *added: mx.array
    ) -> mx.array:
        """The masked scores, [batch, key heads, repeats · queries, keys]."""
        scores = (queries * self.scale) @ keys.swapaxes(-1, -2)
        shape = scores.shape
        if added:
            part = _rows(added[0], start, stop)
            scores = (self.unfolded(scores) + part).reshape(shape)
        if self.mask is not None:
            scores = self._masked(self.mask, self.unfolded(scores), start, stop).reshape(shape)
        return scores

    def _masked(self, mask: mx.array | str, scores: mx.array, start: int, stop: int) -> mx.array:
        if isinstance(mask, str):
            seen = mx.arange(start, stop)[:, None] >= mx.arange(scores.shape[-1])
        else:
            seen = _rows(mask, start, stop)
        return mx.where(seen, scores, mx.finfo(scores.dtype).min)


def _is_array(mask: Mask) -> TypeGuard[mx.array]:
    return not (mask is None or isinstance(mask, str))


def _rows(mask: mx.array, start: int, stop: int) -> mx.array:
    """The part of a mask for the queries `start:stop`; a mask of one row is broadcast."""
    return mask if mask.shape[-2] == 1 else mask[..., start:stop, :]


def _summed_to(shape: tuple[int, ...], gradient: mx.array) -> mx.array:
    """The gradient of a chunk's scores, summed over the broadcast axes of a mask of `shape`."""
    spare = gradient.ndim - len(shape)
    axes = [axis for axis in range(gradient.ndim) if axis < spare or shape[axis - spare] == 1]
    summed = mx.sum(gradient, axis=axes, keepdims=True) if axes else gradient
    return summed.reshape(summed.shape[spare:])


def _joined(shape: tuple[int, ...], parts: list[mx.array]) -> mx.array:
    """The gradient of a mask of `shape`, from its parts for the chunks."""
    return sum(parts[1:], parts[0]) if shape[-2] == 1 else mx.concatenate(parts, axis=-2)


def _can_be_cut(q: mx.array, k: mx.array) -> bool:
    length = q.shape[2]
    return bool(length >= MIN_LENGTH and k.shape[2] == length)


def _after(array: mx.array, others: list[mx.array]) -> mx.array:
    """`array`, with a dependency on the last of `others`."""
    return mx.depends([array], others[-1:])[0] if others else array


def _added(total: mx.array, part: mx.array) -> mx.array:
    """`part` added to the first rows of `total`."""
    return total.at[..., : part.shape[-2], :].add(part)
