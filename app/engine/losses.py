"""Cross-entropy over trained tokens: the sum, so that batches add up by their trained tokens."""

from typing import Any

from app.engine.mlx_gateway import import_mlx


def summed_loss(model: Any, tokens: Any, trained: Any) -> Any:
    """Sum of the cross-entropy, in nats, over the trained tokens of a batch.

    `tokens` is int32 [batch, length]; `trained` is float32 of the same shape, 1.0 where the token
    is to be predicted from those before it. Dividing by `trained.sum()` gives the mean. Unlike
    mlx-lm's loss, the pad token after the last token is not trained.
    """
    import_mlx()
    import mlx.core as mx
    import mlx.nn as nn

    logits = model(tokens[:, :-1]).astype(mx.float32)
    losses = nn.losses.cross_entropy(logits, tokens[:, 1:])
    # Where nothing is trained a logit may be anything, even NaN: it must not count.
    return mx.where(trained[:, 1:] > 0, losses, 0.0).sum()


def exact_answers(model: Any, tokens: Any, trained: Any) -> Any:
    """Per row, whether greedy decoding gives exactly the trained tokens: bool [batch].

    Greedy decoding yields a reply exactly if, given the reply so far, each next token is the most
    likely one; so one forward pass over the whole reply answers it.
    """
    import_mlx()
    import mlx.core as mx

    predicted = mx.argmax(model(tokens[:, :-1]), axis=-1)
    return mx.all((predicted == tokens[:, 1:]) | (trained[:, 1:] == 0), axis=-1)
