"""KL divergence of a tuned model from its base: the sum over trained tokens, in nats.

KL(base ‖ tuned) is large where the tuned model loses tokens that its base finds likely. If the
model is split, logits are computed in chunks of rows, as for the loss; the base's logits are
recomputed each time and not stored.
"""

import mlx.core as mx

from app.engine.adapter.adapter import BareModel
from app.engine.execution.losses import flat_hidden, in_chunks, summed_over_chunks
from app.engine.model.language_model import LanguageModel
from app.engine.model.lm_head import SplitModel
from app.engine.runtime.custom_gradients import custom_function


def summed_divergence(
    bare: BareModel, model: LanguageModel, head: SplitModel | None, *inputs: mx.array
) -> mx.array:
    """Σ KL(base ‖ model) over the trained tokens, a scalar; `inputs` are those of
    `losses.loss_inputs`."""
    if head is None:
        return _of_all_logits(bare, model, *inputs)
    tokens, positions, _targets, weights, places = inputs
    with bare.bare():
        base = mx.stop_gradient(flat_hidden(head, tokens))[positions]
    return summed_over_chunks(
        head,
        (tokens, positions, places),
        lambda hidden, rows: _of_rows(head, hidden, base[rows], weights[rows]),
    )


def summed_divergence_alone(
    bare: BareModel, model: LanguageModel, head: SplitModel | None, *inputs: mx.array
) -> mx.array:
    """`summed_divergence` without a gradient."""
    if head is None:
        return _of_all_logits(bare, model, *inputs)
    tokens, positions, _targets, weights, _places = inputs
    with bare.bare():
        base = flat_hidden(head, tokens)[positions]
    total = mx.array(0.0)
    for rows, chunk in in_chunks(head, flat_hidden(head, tokens)[positions]):
        chunk = mx.depends([chunk], [total])[0]
        logits = (head.logits(hidden).astype(mx.float32) for hidden in (base[rows], chunk))
        log_base, log_tuned = map(_log_likelihoods, logits)
        each = _summed(mx.exp(log_base), log_base - log_tuned)
        total = total + mx.where(weights[rows] > 0, each, 0.0).sum()
    return total


def _of_all_logits(
    bare: BareModel, model: LanguageModel, tokens: mx.array, _targets: mx.array, trained: mx.array
) -> mx.array:
    with bare.bare():
        base = mx.stop_gradient(model(tokens)).astype(mx.float32)
    log_base, log_tuned = _log_likelihoods(base), _log_likelihoods(model(tokens).astype(mx.float32))
    each = _summed(mx.exp(log_base), log_base - log_tuned)
    # `where` instead of a product: logits of untrained tokens can be NaN.
    return mx.where(trained > 0, each, 0.0).sum()


def _of_rows(
    head: SplitModel, hidden: mx.array, base_hidden: mx.array, weights: mx.array
) -> mx.array:
    """The sum over some rows. Its custom gradient, softmax − the base's softmax, needs few passes
    over the logits."""
    base = head.logits(base_hidden).astype(mx.float32)

    @custom_function
    def divergence(logits: mx.array) -> tuple[mx.array, mx.array]:
        log_base, log_tuned = _log_likelihoods(base), _log_likelihoods(logits)
        likely = mx.exp(log_base)
        each = _summed(likely, log_base - log_tuned)
        return mx.where(weights > 0, each, 0.0).sum(), mx.exp(log_tuned) - likely

    @divergence.vjp
    def _(_: mx.array, cotangents: mx.array, outputs: mx.array) -> mx.array:
        return outputs[1] * (weights[:, None] * cotangents[0])

    return divergence(head.logits(hidden).astype(mx.float32))[0]


def _log_likelihoods(logits: mx.array) -> mx.array:
    """log softmax over the vocabulary."""
    shifted = logits - mx.max(logits, axis=-1, keepdims=True)
    return shifted - mx.log(mx.sum(mx.exp(shifted), axis=-1, keepdims=True))


def _summed(likely: mx.array, difference: mx.array) -> mx.array:
    """The sum over the vocabulary; tokens with probability 0 in the base don't count."""
    return (likely * mx.where(likely > 0, difference, 0.0)).sum(-1)
