"""Cross-entropy summed over trained tokens, so that batches add up by their trained tokens.

If the model's head can be separated, only trained positions pass through it, in chunks, and the
gradient of the hidden states is computed with the loss, so the logits of a whole batch never exist.
Otherwise the model's own logits are used.
"""

from collections.abc import Callable, Iterator

import mlx.core as mx
import mlx.nn as nn
import numpy as np

from app.engine.batches.batches import Batch
from app.engine.model.language_model import LanguageModel
from app.engine.model.lm_head import SplitModel
from app.engine.runtime.custom_gradients import custom_function
from app.engine.runtime.mlx_runtime import uses_compile
from app.engine.runtime.named_arrays import ArrayFunction

CHUNK_LOGITS = {"cpu": 2**23, "gpu": 2**24}
"""The most logits of a chunk: 32 and 64 MiB in float32, of which about four copies exist at once.
A GPU reads the head's weights once per chunk, so it gets fewer, larger chunks."""
CHUNK_ROWS = (64, 256)
"""The fewest and the most rows of a chunk; with fewer, matrix products are inefficient."""


def loss_inputs(batch: Batch, head: SplitModel | None) -> tuple[mx.array, ...]:
    """The inputs of `sum_cross_entropy` for a batch, as arrays on the device.

    Without a head: the input tokens, [rows, read]; the targets; and the loss mask, 1.0 where the
    target is trained. With a head: the input tokens; the trained positions as flat indexes into
    [rows, read], padded; the target of each; weights, 1.0 or, for padding, 0.0; and the inverse
    index: for each of [rows · read], its place among the trained positions, or their number if it
    is not trained.
    """
    read = batch.read
    tokens, following = batch.tokens[:, read], batch.tokens[:, read + 1]
    is_trained = batch.trained[:, read + 1]
    if head is None:
        return mx.array(tokens), mx.array(following), mx.array(is_trained)
    mask = is_trained.reshape(-1) > 0
    trained = np.flatnonzero(mask).astype(np.int32)
    count = len(trained)
    size = _padded(count, len(mask), chunk_rows(head.vocabulary)) if uses_compile() else None
    # Padding repeats a trained position: hidden states elsewhere can be NaN.
    positions = np.full(size or max(1, count), trained[0] if count else 0, np.int32)
    positions[:count] = trained
    weights = np.zeros(len(positions), np.float32)
    weights[:count] = 1.0
    places = np.full(len(mask), len(positions), np.int32)
    places[trained] = np.arange(count, dtype=np.int32)
    targets = following.reshape(-1)[positions]
    return tuple(mx.array(a) for a in (tokens, positions, targets, weights, places))


def sum_cross_entropy(model: LanguageModel, head: SplitModel | None, *inputs: mx.array) -> mx.array:
    """The cross-entropy summed over the trained tokens: a float32 scalar in nats.

    `inputs` are those of `loss_inputs`. Divide by the number of trained tokens for the mean. Unlike
    in mlx-lm's loss, the pad token after the last token is not trained. With a head, the gradient
    reaches the model only through its hidden states, so no parameter of the head may be trained.
    """
    if head is None:
        return _loss_of_all_logits(model, *inputs)
    return _fused_loss(head, *inputs)


def sum_cross_entropy_eval(
    model: LanguageModel, head: SplitModel | None, *inputs: mx.array
) -> mx.array:
    """`sum_cross_entropy` without a gradient: a float32 scalar in nats."""
    if head is None:
        return _loss_of_all_logits(model, *inputs)
    tokens, positions, targets, weights, _ = inputs
    flat = flat_hidden(head, tokens)
    total = mx.array(0.0)
    for rows, chunk in in_chunks(head, flat[positions]):
        logits = head.logits(mx.depends([chunk], [total])[0]).astype(mx.float32)
        losses = row_functions()[0](logits, targets[rows][:, None])[0]
        total = total + mx.where(weights[rows] > 0, losses, 0.0).sum()
    return total


def exact_answers(model: LanguageModel, batch: Batch, head: SplitModel | None) -> list[bool]:
    """For each row of an unpacked batch, whether greedy decoding gives exactly the trained tokens.

    That is so if, given the reply so far, each next token is the most likely one, so one forward
    pass over the whole reply is enough. A row without trained tokens counts as exact.
    """
    is_trained = (batch.trained[:, 1:] > 0).reshape(-1)
    is_right = np.ones(len(is_trained), bool)
    if head is None:
        tokens = mx.array(batch.tokens)
        predicted = mx.argmax(model(tokens[:, :-1]), axis=-1)
        is_right = np.array(predicted == tokens[:, 1:]).reshape(-1) | ~is_trained
    elif is_trained.any():
        tokens, positions, targets, weights, _ = loss_inputs(batch, head)
        flat = flat_hidden(head, tokens)
        predicted_parts, last = [], mx.array(0)
        for _, chunk in in_chunks(head, flat[positions]):
            last = mx.argmax(head.logits(mx.depends([chunk], [last])[0]), axis=-1)
            predicted_parts.append(last)
        hits = np.array((mx.concatenate(predicted_parts) == targets) | (weights == 0))
        is_right[is_trained] = hits[: int(is_trained.sum())]
    return [bool(row.all()) for row in is_right.reshape(len(batch.tokens), -1)]


def chunk_rows(vocabulary: int) -> int:
    """The number of rows whose logits are computed at once: a power of two."""
    low, high = CHUNK_ROWS
    most = CHUNK_LOGITS["gpu" if uses_compile() else "cpu"]
    return int(min(high, max(low, 2 ** int(np.log2(most / vocabulary)))))


def _loss_of_all_logits(
    model: LanguageModel, tokens: mx.array, targets: mx.array, trained: mx.array
) -> mx.array:
    logits = model(tokens).astype(mx.float32)
    losses = nn.losses.cross_entropy(logits, targets)
    # `where` instead of a product: logits of untrained tokens can be NaN.
    return mx.where(trained > 0, losses, 0.0).sum()


def _fused_loss(
    head: SplitModel,
    tokens: mx.array,
    positions: mx.array,
    targets: mx.array,
    weights: mx.array,
    places: mx.array,
) -> mx.array:
    return summed_over_chunks(
        head,
        (tokens, positions, places),
        lambda hidden, rows: _loss_of_rows(head, hidden, targets[rows], weights[rows]),
    )


def summed_over_chunks(
    head: SplitModel,
    where: tuple[mx.array, mx.array, mx.array],
    of_rows: Callable[[mx.array, slice], mx.array],
) -> mx.array:
    """The sum of `of_rows` over chunks of hidden states; their gradient is computed with it.

    `where` holds tokens, positions and the inverse index of `loss_inputs`. `of_rows` takes hidden
    states, [n, hidden], and the slice of the positions that they belong to; it returns a scalar.
    """
    tokens, positions, places = where

    @custom_function
    def sum_and_gradient(flat: mx.array) -> tuple[mx.array, mx.array]:
        total = mx.array(0.0)
        gradients: list[mx.array] = []
        for rows, chunk in in_chunks(head, flat[positions]):
            # One chunk after the other, so that a chunk's logits are freed before the next.
            chunk = mx.depends([chunk], [total, *gradients[-1:]])[0]
            value, gradient = mx.value_and_grad(lambda hidden, rows=rows: of_rows(hidden, rows))(
                chunk
            )
            total = total + value
            gradients.append(gradient)
        return total, mx.concatenate(gradients)

    @sum_and_gradient.vjp
    def _(_: mx.array, cotangents: mx.array, outputs: mx.array) -> mx.array:
        gradient = outputs[1] * cotangents[0].astype(outputs[1].dtype)
        # A gather, not a scatter: each position looks up its row, or the zeros after the last.
        return mx.concatenate([gradient, mx.zeros_like(gradient[:1])])[places]

    return sum_and_gradient(flat_hidden(head, tokens))[0]


def _loss_of_rows(
    head: SplitModel, hidden: mx.array, targets: mx.array, weights: mx.array
) -> mx.array:
    """The summed loss of some rows; its custom gradient needs few passes over the logits."""
    places = targets[:, None]
    loss_of, gradient_of = row_functions()

    @custom_function
    def loss(logits: mx.array) -> tuple[mx.array, ...]:
        losses, *kept = loss_of(logits, places)
        return mx.where(weights > 0, losses, 0.0).sum(), *kept

    @loss.vjp
    def _(logits: mx.array, cotangents: mx.array, outputs: mx.array) -> mx.array:
        return gradient_of(logits, places, weights[:, None] * cotangents[0], *outputs[1:])

    return loss(head.logits(hidden).astype(mx.float32))[0]


def row_functions() -> tuple[ArrayFunction, ArrayFunction]:
    """Two functions: (logits, targets) → the loss of each row and the inputs of its gradient; and
    (logits, targets, scale, *those inputs) → the gradient of the logits, with row i scaled by
    `scale[i]`."""
    if uses_compile():
        return _losses_kept_small, _gradient_by_compiling
    return _losses_and_powers, _gradient_from_powers


def _losses_and_powers(logits: mx.array, places: mx.array) -> tuple[mx.array, ...]:
    """For the CPU, where exponentials dominate: they are computed once, for loss and gradient."""
    largest = mx.max(logits, axis=-1, keepdims=True)
    powers = mx.exp(logits - largest)
    total = mx.sum(powers, axis=-1, keepdims=True)
    scores = mx.take_along_axis(logits, places, axis=-1)
    return (largest + mx.log(total) - scores).squeeze(-1), powers, total


def _gradient_from_powers(
    _: mx.array, places: mx.array, scale: mx.array, powers: mx.array, total: mx.array
) -> mx.array:
    likely = powers * (scale / total)
    error = mx.take_along_axis(likely, places, axis=-1) - scale
    return mx.put_along_axis(likely, places, error, axis=-1)


def _losses_kept_small(logits: mx.array, places: mx.array) -> tuple[mx.array, ...]:
    """For a GPU, where memory traffic dominates: the gradient reads the logits again, and of the
    forward pass only the normalizers are kept."""
    normalizer = mx.logsumexp(logits, axis=-1, keepdims=True)
    scores = mx.take_along_axis(logits, places, axis=-1)
    return (normalizer - scores).squeeze(-1), normalizer


def _gradient_by_compiling(
    logits: mx.array, places: mx.array, scale: mx.array, normalizer: mx.array
) -> mx.array:
    """Written as one elementwise expression, which `mx.compile` turns into one kernel."""
    is_target = mx.arange(logits.shape[-1]) == places
    return (mx.exp(logits - normalizer) - is_target) * scale


def flat_hidden(head: SplitModel, tokens: mx.array) -> mx.array:
    """Hidden states [rows · length, hidden] of tokens [rows, length]."""
    hidden = head.hidden(tokens)
    return hidden.reshape(-1, hidden.shape[-1])


def in_chunks(head: SplitModel, hidden: mx.array) -> Iterator[tuple[slice, mx.array]]:
    """Slices of the hidden states, [n, hidden], of `chunk_rows` rows each, with their ranges."""
    size = chunk_rows(head.vocabulary)
    for start in range(0, hidden.shape[0], size):
        rows = slice(start, start + size)
        yield rows, hidden[rows]


def _padded(count: int, most: int, chunk: int) -> int:
    """`count` rounded up to one of few sizes: chunks × 1, 2, 3, 4, 6, 8, 12 …, up to `most`."""
    chunks = -(-count // chunk)
    above = 1 << max(0, chunks - 1).bit_length()
    if above >= 4 and chunks <= above * 3 // 4:
        above = above * 3 // 4
    return min(above, -(-most // chunk)) * chunk
