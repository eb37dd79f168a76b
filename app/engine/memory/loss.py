"""The loss's gradient with respect to what a forward pass gives, as it would be computed.

Made of nothing that can't be traced: `app.engine.losses` with a gradient of its own can't.
"""

from collections.abc import Callable
from typing import Any

from app.engine.head import Head
from app.engine.losses import chunk_rows, logit_errors, losses_and_powers
from app.engine.mlx_gateway import import_mlx

MAX_CHUNKS_TRACED = 32
"""Far more than are in flight at once."""

Pull = Callable[[Any], Any]


def pull_of_hidden(head: Head, share: float) -> Pull:
    """As the fused loss does it: some rows of trained positions at a time."""
    mx = import_mlx()

    def pull(hidden: Any) -> Any:
        flat = hidden.reshape(-1, hidden.shape[-1])
        count = max(1, round(share * flat.shape[0]))
        picked = flat[mx.arange(count)]
        size, found = chunk_rows(head.vocabulary), []
        for start in range(0, min(count, MAX_CHUNKS_TRACED * size), size):
            chunk = mx.depends([picked[start : start + size]], found[-1:])[0]
            found.append(_rows_pulled(head, chunk))
        done = sum(part.shape[0] for part in found)
        rest = [mx.zeros((count - done, flat.shape[1]), flat.dtype)] if done < count else []
        places = mx.arange(flat.shape[0]) % count
        return mx.concatenate([*found, *rest])[places].reshape(hidden.shape)

    return pull


def _rows_pulled(head: Head, rows: Any) -> Any:
    mx = import_mlx()

    def logits_of(rows: Any) -> Any:
        return head.logits(rows).astype(mx.float32)

    _, (gradient,) = mx.vjp(logits_of, [rows], [pull_of_logits(logits_of(rows))])
    return gradient


def pull_of_logits(logits: Any) -> Any:
    mx = import_mlx()
    wide = logits.reshape(-1, logits.shape[-1]).astype(mx.float32)
    targets = mx.arange(wide.shape[0]) % wide.shape[-1]
    _, powers, total = losses_and_powers(wide, targets)
    errors = logit_errors(powers, total, targets, mx.ones_like(total))
    return errors.astype(logits.dtype).reshape(logits.shape)
