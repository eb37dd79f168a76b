"""Generates the answers of the base model and the tuned model to one question, token by token.

Both sides take turns on one model in memory, so their answers grow side by side. mlx-lm's samplers
are not used: they share the random state of the thread that imported them, and on the CPU compiling
them calls the host's compiler. Here every answer has its own random key.
"""

import time
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import ExitStack, closing

import mlx.core as mx

from app.core.chat_messages import SIDES, Chat, Side
from app.core.errors import InputError, RunError
from app.core.generation_events import (
    AnswerEnded,
    AnswerEvent,
    AnswersCompared,
    Ending,
    GenerationNotice,
    LogitsCompared,
    Sampling,
    TextAdded,
)
from app.data.chat.tokenization import token_beyond
from app.engine.generation.adapted_model import TunedModel
from app.engine.model.chat_prompt import NO_SYSTEM_ROLE, ChatPrompt
from app.engine.runtime.mlx_errors import as_run_error
from app.engine.runtime.mlx_runtime import CACHE_LIMIT_BYTES
from app.engine.runtime.named_arrays import number

PREFILL_TOKENS = 512
"""Tokens of a prompt per forward pass; a stop takes effect between two passes."""

ShouldStop = Callable[[], bool]


def answer(
    tuned: TunedModel,
    chat: Chat,
    sampling: Sampling,
    sides: Sequence[Side] = SIDES,
    should_stop: ShouldStop = lambda: False,
) -> Iterator[AnswerEvent]:
    """Answer `chat` on each of `sides`; every side ends with an AnswerEnded.

    With both sides, LogitsCompared follows the first token of each, and AnswersCompared comes last
    unless an answer was stopped. Raises InputError if the prompt can't be encoded or is too long,
    and RunError if MLX fails. All MLX work happens in `next()`. Closing the generator switches the
    adapter back on.
    """
    if problem := sampling.problem():
        raise InputError(problem)
    mx.set_cache_limit(CACHE_LIMIT_BYTES)
    prompting = ChatPrompt(tuned.base.tokenizer)
    prompting.check(chat)
    if not prompting.takes_system(chat):
        yield GenerationNotice(NO_SYSTEM_ROLE)
    if tuned.end_note:
        yield GenerationNotice(tuned.end_note)
    prompts = {side: prompting.tokens(chat, side) for side in sides}
    _check_tokens(tuned, prompts.values())
    with ExitStack() as ending:
        ending.callback(tuned.select_side, "tuned")
        answers = {
            side: ending.enter_context(closing(_Answer(tuned, side, prompt, sampling, should_stop)))
            for side, prompt in prompts.items()
        }
        try:
            yield from _in_turns(tuned, answers, should_stop)
        except RuntimeError as error:
            raise as_run_error(error) from error


def _in_turns(
    tuned: TunedModel, answers: dict[Side, "_Answer"], should_stop: ShouldStop
) -> Iterator[AnswerEvent]:
    live, are_compared = list(answers.values()), len(answers) < len(SIDES)
    while live:
        for one in tuple(live):
            if text := one.next_token():
                yield TextAdded(one.side, text)
            if one.ending is not None:
                live.remove(one)
                yield one.ended()
        if not are_compared and all(one.logits is not None for one in answers.values()):
            are_compared = True
            if compared := _compare(tuned, answers["base"], answers["tuned"], should_stop):
                yield compared
    if len(answers) == len(SIDES) and not any(a.ending == "stopped" for a in answers.values()):
        yield compare_answers(answers["base"].tokens, answers["tuned"].tokens)


class _Stopped(Exception):
    """The stop was requested while a prompt was read."""


class _Answer:
    """One side's answer while it is generated."""

    def __init__(
        self, tuned: TunedModel, side: Side, prompt: list[int], sampling: Sampling,
        should_stop: ShouldStop,
    ) -> None:  # fmt: skip
        free = _free_context(tuned, prompt)
        self.side, self.prompt = side, prompt
        self.tokens: list[int] = []
        self.ending: Ending | None = None
        self.logits: mx.array | None = None
        """The logits of the first token; [vocabulary]."""
        self._tuned, self._should_stop = tuned, should_stop
        self._is_short = free is not None and free < sampling.max_tokens
        self._stop_tokens = tuned.stop_tokens
        self._detokenizer = tuned.base.tokenizer.detokenizer
        self._seconds, self._sampled = 0.0, 0
        max_tokens = min(sampling.max_tokens, free or sampling.max_tokens)
        self._steps = self._begin(max_tokens, sampling)

    def _begin(
        self, max_tokens: int, sampling: Sampling
    ) -> Generator[tuple[int, mx.array], None, None]:
        from mlx_lm.generate import generate_step
        from mlx_lm.models.cache import make_prompt_cache

        model = self._tuned.base.model
        unread = len(self.prompt)

        def with_first_logits(tokens: mx.array, cache: mx.array) -> mx.array:
            """Run the model and keep the logits after the prompt's last token."""
            nonlocal unread
            logits = model(tokens, cache=cache)
            unread -= tokens.shape[1]
            if self.logits is None and unread == 0:
                self.logits = logits[0, -1]
            return logits

        def stop_if_asked(*_: int) -> None:
            if self._should_stop():
                raise _Stopped

        return generate_step(
            mx.array(self.prompt), with_first_logits, mx.default_stream(mx.default_device()),
            max_tokens=max_tokens, sampler=make_sampler(sampling),
            prompt_cache=make_prompt_cache(model), prefill_step_size=PREFILL_TOKENS,
            prompt_progress_callback=stop_if_asked,
        )  # fmt: skip

    def next_token(self) -> str:
        """Generate one token; returns the text that it completes. Sets `ending` at the end."""
        if self._should_stop():
            return self._end("stopped")
        began = time.perf_counter()
        self._tuned.select_side(self.side)
        try:
            token, _ = next(self._steps, (None, None))
        except _Stopped:
            return self._end("stopped")
        if self._sampled:  # the first token's time includes reading the prompt
            self._seconds += time.perf_counter() - began
        elif token is not None:
            self._check_logits()
        if token is None:
            return self._end("context" if self._is_short else "length")
        self._sampled += 1
        if token in self._stop_tokens:
            return self._end("end")
        self.tokens.append(token)
        self._detokenizer.add_token(token)
        return str(self._detokenizer.last_segment)

    def _check_logits(self) -> None:
        if self.logits is None or mx.isnan(self.logits).any().item():
            raise RunError(
                f"The {self.side} model's logits contain NaN, so it can't answer.",
                "Choose another checkpoint.",
            )

    def _end(self, ending: Ending) -> str:
        self.ending = ending
        self.close()
        self._detokenizer.finalize()
        return str(self._detokenizer.last_segment)

    def close(self) -> None:
        """Close the generator on the thread that entered MLX's stream, before it is garbage
        collected on another."""
        self._steps.close()

    def ended(self) -> AnswerEnded:
        rate = (self._sampled - 1) / self._seconds if self._sampled > 1 else float("nan")
        return AnswerEnded(
            self.side, self.ending or "stopped", len(self.prompt), len(self.tokens), rate
        )


def _check_tokens(tuned: TunedModel, prompts: Iterable[Sequence[int]]) -> None:
    """Raise InputError if a token of a prompt has no row in the model's embedding."""
    rows, tokenizer = tuned.base.limits.embedding_rows, tuned.base.tokenizer
    for prompt in prompts:
        if beyond := token_beyond(prompt, tokenizer, rows):
            raise InputError(
                f"The conversation contains {beyond}.",
                "Ask without it, or choose the base model that this tokenizer belongs to.",
            )


def _free_context(tuned: TunedModel, prompt: Sequence[int]) -> int | None:
    """How many tokens fit after `prompt`; None if the model's context length is unknown.

    Raises InputError if the prompt fills the context.
    """
    context = tuned.loaded.context_tokens
    if context is not None and len(prompt) >= context:
        raise InputError(
            f"The conversation has {len(prompt):,} tokens, and this model reads at most "
            f"{context:,}.",
            "Ask something shorter, or clear the conversation.",
        )
    return None if context is None else context - len(prompt)


def _compare(
    tuned: TunedModel, base: _Answer, other: _Answer, should_stop: ShouldStop
) -> LogitsCompared | None:
    """Compare both sides' logits after the tuned side's prompt; the base reads that prompt now if
    its own differs. None if stopped."""
    if base.prompt != other.prompt:
        with closing(
            _Answer(tuned, "base", other.prompt, Sampling(max_tokens=1), should_stop)
        ) as base:
            base.next_token()
    if base.logits is None or other.logits is None:
        return None
    return compare_logits(base.logits, other.logits)


def compare_logits(base: mx.array, other: mx.array) -> LogitsCompared:
    """Compare two vectors of logits, [vocabulary]."""
    base, other = base.astype(mx.float32), other.astype(mx.float32)
    apart = mx.where(base == other, 0.0, mx.abs(base - other))
    log_p = other - mx.logsumexp(other)
    log_q = base - mx.logsumexp(base)
    is_void = (log_p == log_q) | (log_p == -mx.inf)
    divergence = mx.where(is_void, 0.0, mx.exp(log_p) * (log_p - log_q)).sum()
    return LogitsCompared(
        are_equal=bool(mx.array_equal(base, other).item()),
        largest_difference=number(apart.max()),
        kl_divergence=max(0.0, number(divergence)),
        have_same_first=bool((mx.argmax(base) == mx.argmax(other)).item()),
    )


def compare_answers(base: Sequence[int], other: Sequence[int]) -> AnswersCompared:
    """Find the first difference between two answers' tokens (1-based)."""
    if base == other:
        return AnswersCompared(are_equal=True, first_difference=None)
    pairs = enumerate(zip(base, other, strict=False), start=1)
    parted = next((at for at, (a, b) in pairs if a != b), min(len(base), len(other)) + 1)
    return AnswersCompared(are_equal=False, first_difference=parted)


def make_sampler(sampling: Sampling) -> Callable[[mx.array], mx.array]:
    """A function from log-probabilities, [1, vocabulary], to a token, [1]; the same seed draws the
    same tokens."""
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
    """Top-p filter of `logprobs`, [rows, vocabulary]: -inf for all but the most likely tokens whose
    probabilities add up to `top_p`. Always keeps the most likely token.
    """
    falling = -mx.sort(-logprobs, axis=-1)
    probabilities = mx.exp(falling.astype(mx.float32))
    before = mx.cumsum(probabilities, axis=-1, inclusive=False)
    last = mx.maximum((before < top_p).sum(axis=-1, keepdims=True), 1) - 1
    return mx.where(logprobs < mx.take_along_axis(falling, last, axis=-1), -mx.inf, logprobs)
