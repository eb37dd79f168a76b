"""Generates short greedy answers to many prompts, in batches with mlx-lm's generator."""

from collections.abc import Collection, Generator, Sequence

import mlx.core as mx

from app.engine.execution.model_execution import Execution
from app.engine.model.language_model import LanguageModel

ROWS = 32
"""The most answers generated in one batch."""
_TOKENS = 8_192
"""The most prompt tokens in one batch."""


def short_answers(
    model: LanguageModel, prompts: Sequence[list[int]], ends: Collection[int], max_tokens: int
) -> Generator[float, None, list[list[int]]]:
    """The tokens of each answer, without its stop token; at most `max_tokens` each.

    Yields the share done after each token. Don't use the model meanwhile. Raises ValueError if
    mlx-lm can't batch this model's cache.
    """
    from mlx_lm.generate import BatchGenerator

    rows = max(1, min(ROWS, _TOKENS // max(map(len, prompts), default=1)))
    with Execution(model).evaluating():
        generator = BatchGenerator(
            model,
            max_tokens=max_tokens,
            stop_tokens=[[token] for token in sorted(ends)],
            completion_batch_size=rows,
            prefill_batch_size=rows,
            stream=mx.default_stream(mx.default_device()),
        )
        try:
            answers: dict[int, list[int]] = {uid: [] for uid in generator.insert(list(prompts))}
            ended = 0
            while responses := generator.next_generated():
                for response in responses:
                    if response.finish_reason != "stop":
                        answers[response.uid].append(response.token)
                    ended += response.finish_reason is not None
                yield ended / len(prompts)
        finally:
            generator.close()
    return list(answers.values())
