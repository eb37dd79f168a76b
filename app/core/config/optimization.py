"""Settings of batches, learning rate and optimizer."""

from dataclasses import dataclass
from typing import Literal

from app.core.config.setting import setting

Schedule = Literal["constant", "linear", "cosine"]
Replies = Literal["every", "whole-chat", "last"]


@dataclass(frozen=True)
class OptimizationSettings:
    steps: int = setting(
        300, label="Steps", help="Optimizer steps.", section="training", minimum=1,
        maximum=10_000_000,
    )  # fmt: skip
    batch_size: int = setting(
        4, label="Batch size", help="Examples per forward pass.", section="training", minimum=1,
        maximum=4096,
    )  # fmt: skip
    learning_rate: float = setting(
        1e-4,
        label="Learning rate",
        help="Peak learning rate of AdamW.",
        section="training",
        minimum=0.0,
        maximum=1.0,
        exclusive_minimum=True,
    )
    max_seq_length: int = setting(
        2048,
        label="Max length (tokens)",
        help="Longest example in tokens. Longer ones are cut at the end and counted.",
        section="training",
        minimum=8,
        maximum=1_000_000,
    )
    mask_prompt: bool = setting(
        True,
        label="Train on replies only",
        help="In chats and prompts with completions, train only the replies.",
        section="training",
    )
    replies: Replies = setting(
        "every",
        label="Replies",
        help="every: each reply as the model sees it at its turn; where the chat template "
        "changes earlier replies, these become separate examples. whole-chat: one example "
        "per chat; where the template changes earlier replies, only the last one is "
        "trained. last: the last reply of each chat.",
        section="training",
        advanced=True,
    )
    lr_schedule: Schedule = setting(
        "cosine",
        label="Schedule",
        help="How the learning rate falls after warm-up.",
        section="training",
        advanced=True,
    )
    warmup_steps: int = setting(
        10,
        label="Warm-up steps",
        help="Steps over which the learning rate rises to its peak.",
        section="training",
        minimum=0,
        maximum=1_000_000,
        advanced=True,
    )
    grad_accumulation_steps: int = setting(
        1,
        label="Gradient accumulation",
        help="Batches per optimizer step, weighted by their trained tokens.",
        section="training",
        minimum=1,
        maximum=4096,
        advanced=True,
    )
    grad_checkpoint: bool = setting(
        False,
        label="Gradient checkpointing",
        help="Keeps only the input of each layer and computes the rest again in the backward "
        "pass. Needs less memory and about a third more time.",
        section="training",
        advanced=True,
    )
    weight_decay: float = setting(
        0.01,
        label="Weight decay",
        help="Decoupled weight decay, applied when a tier updates.",
        section="training",
        minimum=0.0,
        maximum=1.0,
        advanced=True,
    )
    max_grad_norm: float = setting(
        1.0,
        label="Max gradient norm",
        help="Gradient clipping: the largest L2 norm of the gradient over all tiers. 0 turns "
        "it off.",
        section="training",
        minimum=0.0,
        maximum=1e6,
        advanced=True,
    )
    seed: int = setting(
        0, label="Seed",
        help="Determines the adapter's start, the data order, the validation split and dropout.",
        section="training", minimum=0, maximum=2**32 - 1, advanced=True,
    )  # fmt: skip
