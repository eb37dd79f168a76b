"""The loss's gradient with respect to the output of a forward pass, for tracing.

The same computation as `app.engine.execution.losses`, whose gradient of its own can't be traced.
"""

import mlx.core as mx

from app.engine.execution.losses import chunk_rows, row_functions
from app.engine.model.lm_head import SplitModel

MAX_CHUNKS_TRACED = 32
"""Far more than are in flight at once."""


def hidden_gradient(head: SplitModel, hidden: mx.array) -> mx.array:
    """As the fused loss does it, some rows at a time, where every token is trained."""
    flat = hidden.reshape(-1, hidden.shape[-1])
    count = flat.shape[0]
    every = mx.arange(count)
    picked, found = flat[every], list[mx.array]()
    size = chunk_rows(head.vocabulary)
    for start in range(0, min(count, MAX_CHUNKS_TRACED * size), size):
        chunk = mx.depends([picked[start : start + size]], found[-1:])[0]
        found.append(_pull_of_rows(head, chunk))
    if (done := sum(part.shape[0] for part in found)) < count:
        found.append(mx.zeros((count - done, flat.shape[1]), flat.dtype))
    return mx.concatenate(found)[every].reshape(hidden.shape)


def logits_gradient(logits: mx.array) -> mx.array:
    wide = logits.reshape(-1, logits.shape[-1]).astype(mx.float32)
    places = (mx.arange(wide.shape[0]) % wide.shape[-1])[:, None]
    loss_of, gradient_of = row_functions()
    _, *kept = loss_of(wide, places)
    errors = gradient_of(wide, places, mx.ones((wide.shape[0], 1)), *kept)
    return errors.astype(logits.dtype).reshape(logits.shape)


def _pull_of_rows(head: SplitModel, rows: mx.array) -> mx.array:
    def logits_of(rows: mx.array) -> mx.array:
        return head.logits(rows).astype(mx.float32)

    _, (gradient,) = mx.vjp(logits_of, [rows], [logits_gradient(logits_of(rows))])
    return gradient
