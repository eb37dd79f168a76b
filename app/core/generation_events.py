"""A question to a checkpoint, and the events of its answers, as plain values.

The base model and the tuned one answer the same question with the same seed, each in its own
conversation.
"""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from app.core.base_model import BaseModelCheck
from app.core.chat_messages import Side
from app.core.events import StageChanged, event_name, json_value
from app.core.text.translation import tr

Ending = Literal["end", "length", "context", "stopped"]
"""The model ended its turn; max tokens were reached; its context is full; by request."""

MAX_TOKENS = 32_768
MAX_SEED = 2**31 - 1


@dataclass(frozen=True)
class CheckpointRef:
    """A checkpoint on its base model."""

    model: Path
    adapter_dir: Path

    @property
    def run_dir(self) -> Path:
        return self.adapter_dir.parent.parent


@dataclass(frozen=True)
class Sampling:
    """Sampling parameters, the same for both sides."""

    temperature: float = 0.0
    """0 is greedy decoding, where the seed has no effect."""
    top_p: float = 1.0
    """Samples from the most likely tokens with this total probability; 1 samples from all."""
    max_tokens: int = 256
    """Longer answers are truncated."""
    seed: int = 0

    def problem(self) -> str:
        """The problem of these parameters in one sentence; empty if they are valid."""
        if not (math.isfinite(self.temperature) and 0 <= self.temperature <= 10):
            return tr("The temperature must be a number from 0 to 10.")
        if not 0 < self.top_p <= 1:
            return tr("Top-p must be more than 0 and at most 1.")
        if not 1 <= self.max_tokens <= MAX_TOKENS:
            return tr("Max tokens must be from 1 to {most:,}.", most=MAX_TOKENS)
        if not 0 <= self.seed <= MAX_SEED:
            return tr("The seed must be from 0 to {most:,}.", most=MAX_SEED)
        return ""


@dataclass(frozen=True)
class CheckpointLoaded:
    """The base model with the checkpoint on it is in memory."""

    checkpoint: CheckpointRef
    adapter_parameters: int
    """Numbers in the adapter, each verified in the model."""
    has_template: bool
    """False: the model continues the text instead of answering."""
    context_tokens: int | None
    """The model's context length, if its folder has it."""
    device: str
    base_model: BaseModelCheck
    """The comparison of the loaded base model with the one that the run was trained with."""


@dataclass(frozen=True)
class GenerationNotice:
    """A notice to the user about the way the question was put to the model."""

    text: str


@dataclass(frozen=True)
class TextAdded:
    """The next part of the answer; characters are whole."""

    side: Side
    text: str


@dataclass(frozen=True)
class LogitsCompared:
    """The difference between the tuned model's logits and the base's, at the token after the tuned
    side's prompt. Measured over the whole vocabulary."""

    are_equal: bool
    """Bit for bit."""
    largest_difference: float
    """max |Δ logit|"""
    kl_divergence: float
    """KL(tuned ‖ base), in nats."""
    have_same_first: bool
    """Both have the same most likely token."""


@dataclass(frozen=True)
class AnswerEnded:
    side: Side
    ending: Ending
    prompt_tokens: int
    tokens: int
    """Tokens of the answer, without the one that ends the turn."""
    tokens_per_second: float
    """After the first token; NaN for fewer than two tokens."""


@dataclass(frozen=True)
class AnswersCompared:
    """Both answers have ended."""

    are_equal: bool
    """Token for token."""
    first_difference: int | None
    """The first token that differs, counted from 1."""


AnswerEvent = (
    StageChanged
    | CheckpointLoaded
    | GenerationNotice
    | TextAdded
    | LogitsCompared
    | AnswerEnded
    | AnswersCompared
)


def answer_to_json(event: AnswerEvent) -> dict[str, Any]:
    """One JSON object for a line of output."""
    values = {"event": event_name(event), **json_value(event)}
    if isinstance(event, CheckpointLoaded):
        checkpoint = values.pop("checkpoint")
        values |= {"model": checkpoint["model"], "adapter": checkpoint["adapter_dir"]}
    return values
