"""Settings of batches, learning rate, optimizer, and of the slow and the lasting clock.

The fast clock is AdamW itself. After "The three clocks": the slow clock keeps the base model's own
knowledge, the lasting clock keeps the lessons of earlier runs.
"""

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

from app.core.config.setting import setting
from app.core.text.translation import mark


@dataclass(frozen=True)
class ClockSettings:
    slow_every: int = setting(
        0,
        label=mark("Slow clock every (steps)"),
        help=mark(
            "Steps between lessons: rows of general text on which the model is drawn to its base "
            "model's own predictions. 0 turns the slow clock off."
        ),
        section="clocks",
        bounds=(0, 1_000_000),
        advanced=True,
    )
    slow_weight: float = setting(
        4.0,
        label=mark("Slow clock weight"),
        help=mark(
            "Weight of a lesson's mean KL divergence beside the loss, where the slow clock rate "
            "is 0."
        ),
        section="clocks",
        bounds=(0.0, 1e4),
        exclusive_minimum=True,
        advanced=True,
    )
    slow_rate: float = setting(
        0.0,
        label=mark("Slow clock rate"),
        help=mark(
            "Gives lessons an AdamW of their own, whose learning rate is this share of the task's. "
            "0 adds them to the task's gradient instead, by the slow clock weight."
        ),
        section="clocks",
        bounds=(0.0, 100.0),
        advanced=True,
    )
    slow_rows: int = setting(
        0,
        label=mark("Texts per lesson"),
        help=mark(
            "Rows of general text in a lesson. With more, the model keeps more of its knowledge "
            "and a step takes longer. 0 takes half as many as a step has examples."
        ),
        section="clocks",
        bounds=(0, 4096),
        advanced=True,
    )
    slow_text: Path | None = setting(
        label=mark("General text"),
        help=mark(
            "A dataset of the knowledge that the model should keep. Default: everyday chats in "
            "seven languages, included with Nestling."
        ),
        section="files",
        advanced=True,
    )
    lasting_pull: float = setting(
        0.0,
        label=mark("Lasting pull"),
        help=mark(
            "How strongly a run that starts from an adapter is pulled back to it after every "
            "update, most where earlier runs depend on a weight. 0 turns it off; a run that starts "
            "without an adapter has none."
        ),
        section="clocks",
        bounds=(0.0, 1e6),
        advanced=True,
    )
    lasting_memory: float = setting(
        1.0,
        label=mark("Lasting memory"),
        help=mark(
            "Share of earlier runs' stiffness that remains after each run of a chain. With 1 it "
            "adds up; with 0.5 each run counts half as much as the one after it."
        ),
        section="clocks",
        bounds=(0.0, 1.0),
        advanced=True,
    )
    interpolation: float = setting(
        0.0,
        label=mark("Interpolation"),
        help=mark(
            "At the end, moves the adapter back toward where it started, as far as it keeps this "
            "share of what the run learned: by the first question set, or without one by "
            "validation loss. 0.98 keeps 98 %. 0 turns it off."
        ),
        section="clocks",
        bounds=(0.0, 1.0),
        advanced=True,
    )

    @property
    def slow_adamw_rate(self) -> float:
        """The learning rate of the slow clock's own AdamW as a share of the task's; 0 without
        one."""
        return self.slow_rate if self.slow_every else 0.0


Schedule = Literal["constant", "linear", "cosine"]
Replies = Literal["every", "whole-chat", "last"]

_setting = partial(setting, section="training")


@dataclass(frozen=True)
class OptimizationSettings:
    steps: int = _setting(
        300, label=mark("Steps"), help=mark("Optimizer steps."), bounds=(1, 10_000_000),
    )  # fmt: skip
    batch_size: int = _setting(
        4, label=mark("Batch size"), help=mark("Examples per forward pass."),
        bounds=(1, 4096),
    )  # fmt: skip
    learning_rate: float = _setting(
        1e-4,
        label=mark("Learning rate"),
        help=mark("Peak learning rate of AdamW."),
        bounds=(0.0, 1.0),
        exclusive_minimum=True,
    )
    max_seq_length: int = _setting(
        2048,
        label=mark("Max length (tokens)"),
        help=mark("Longest example in tokens. Longer ones are cut at the end and counted."),
        bounds=(8, 1_000_000),
    )
    mask_prompt: bool = _setting(
        True,
        label=mark("Train on replies only"),
        help=mark("In chats and prompts with completions, train only the replies."),
    )
    replies: Replies = _setting(
        "every",
        label=mark("Replies"),
        help=mark(
            "every: each reply as the model sees it at its turn; where the chat template "
            "changes earlier replies, these become separate examples. whole-chat: one example "
            "per chat; where the template changes earlier replies, only the last one is "
            "trained. last: the last reply of each chat."
        ),
        advanced=True,
    )
    lr_schedule: Schedule = _setting(
        "cosine",
        label=mark("Schedule"),
        help=mark("How the learning rate falls after warm-up."),
        advanced=True,
    )
    warmup_steps: int = _setting(
        10,
        label=mark("Warm-up steps"),
        help=mark("Steps over which the learning rate rises to its peak."),
        bounds=(0, 1_000_000),
        advanced=True,
    )
    grad_accumulation_steps: int = _setting(
        1,
        label=mark("Gradient accumulation"),
        help=mark("Batches per optimizer step, weighted by their trained tokens."),
        bounds=(1, 4096),
        advanced=True,
    )
    grad_checkpoint: bool = _setting(
        False,
        label=mark("Gradient checkpointing"),
        help=mark(
            "Keeps only the input of each layer and computes the rest again in the backward "
            "pass. Needs less memory and about a third more time."
        ),
        advanced=True,
    )
    weight_decay: float = _setting(
        0.01,
        label=mark("Weight decay"),
        help=mark("Decoupled weight decay, applied when a tier updates."),
        bounds=(0.0, 1.0),
        advanced=True,
    )
    max_grad_norm: float = _setting(
        1.0,
        label=mark("Max gradient norm"),
        help=mark(
            "Gradient clipping: the largest L2 norm of the gradient over all tiers. 0 turns it off."
        ),
        bounds=(0.0, 1e6),
        advanced=True,
    )
    seed: int = _setting(
        0, label=mark("Seed"),
        help=mark(
            "Determines the adapter's start, the data order, the validation split and dropout."
        ),
        bounds=(0, 2**32 - 1), advanced=True,
    )  # fmt: skip
