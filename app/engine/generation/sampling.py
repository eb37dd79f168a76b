"""The next token from its log-probabilities, by temperature and top-p.

mlx-lm's samplers draw from the random numbers of the thread that imported them, and are compiled,
which on the CPU calls the host's compiler; here every answer has a key of its own.
"""

from collections.abc import Callable

import mlx.core as mx

from app.core.generation_events import Sampling


def make_sampler(sampling: Sampling) -> Callable[[mx.array], mx.array]:
    """Log-probabilities [1, vocabulary] → token [1]; the same seed draws the same tokens."""
    if sampling.temperature == 0:
        return lambda logprobs: mx.argmax(logprobs, axis=-1)
    key = mx.random.key(sampling.seed)

    def sample(logprobs: mx.array) -> mx.array:
        nonlocal key
        key, now = mx.random.split(key)
        likely = likeliest(logprobs, sampling.top_p) if sampling.top_p < 1 else logprobs
        return mx.random.categorical(likely / sampling.temperature, key=now)

    return sample


def likeliest(logprobs: mx.array, top_p: float) -> mx.array:
    """`logprobs` with -inf for all but the likeliest tokens that come to `top_p` together.

    The likeliest of all always stays.
    """
    falling = -mx.sort(-logprobs, axis=-1)
    probabilities = mx.exp(falling.astype(mx.float32))
    before = mx.cumsum(probabilities, axis=-1, inclusive=False)
    last = mx.maximum((before < top_p).sum(axis=-1, keepdims=True), 1) - 1
    return mx.where(logprobs < mx.take_along_axis(falling, last, axis=-1), -mx.inf, logprobs)
