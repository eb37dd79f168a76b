"""Models with random weights and rows of random tokens, the same for both sides of a comparison."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from app.core.config import TierConfig, TrainingConfig
from app.data.token_rows import TokenizedExample, TokenView
from app.engine.adapter import add_adapter
from app.engine.mlx_gateway import import_mlx

SMALL, LARGE = 4_096, 100_352
"""Vocabularies."""


@dataclass(frozen=True)
class Shape:
    vocabulary: int
    hidden: int = 256
    layers: int = 4


@dataclass(frozen=True)
class Row:
    """One example: tokens, and where the trained part begins."""

    tokens: tuple[int, ...]
    prompt: int


def build(shape: Shape, seed: int = 0) -> Any:
    """A Llama of this shape with LoRA of rank 8 on every linear layer, float32, evaluated."""
    mx = import_mlx()
    from mlx_lm.models import llama

    mx.random.seed(seed)
    config = {
        "model_type": "llama",
        "hidden_size": shape.hidden,
        "num_hidden_layers": shape.layers,
        "intermediate_size": shape.hidden * 11 // 4,
        "num_attention_heads": shape.hidden // 64,
        "num_key_value_heads": max(1, shape.hidden // 128),
        "rms_norm_eps": 1e-5,
        "vocab_size": shape.vocabulary,
        "tie_word_embeddings": True,
    }
    model = llama.Model(llama.ModelArgs.from_dict(config))
    add_adapter(model, config_of((1,)))
    mx.eval(model.parameters())
    model.train()
    return model


def config_of(periods: tuple[int, ...], **changes: Any) -> TrainingConfig:
    return TrainingConfig(tiers=tuple(map(TierConfig, periods)), rank=8, **changes)


def equal_rows(count: int, length: int, vocabulary: int, masked: float = 0.0) -> list[Row]:
    """Rows of one length; the first `masked` of each is prompt."""
    random = np.random.default_rng(0)
    prompt = max(1, round(length * masked))
    return [Row(_tokens(random, length, vocabulary), prompt) for _ in range(count)]


def chat_rows(count: int, longest: int, vocabulary: int, masked: float) -> list[Row]:
    """Long-tailed lengths 16 to `longest`, median about 90, in no order."""
    random = np.random.default_rng(1)
    lengths = np.clip(np.exp(random.normal(np.log(90), 1.0, count)), 16, longest).astype(int)
    lengths[0] = longest
    shares = np.clip(random.normal(masked, 0.1, count), 0.05, 0.95)
    return [
        Row(_tokens(random, int(n), vocabulary), max(1, int(n * share)))
        for n, share in zip(lengths, shares, strict=True)
    ]


def examples(rows: list[Row]) -> TokenView:
    return TokenView.of(
        TokenizedExample(row.tokens, ((row.prompt, len(row.tokens)),), line)
        for line, row in enumerate(rows, 1)
    )


class ChatRows:
    """The rows as mlx-lm's chat dataset gives them: a dict, processed to tokens and an offset."""

    def __init__(self, rows: list[Row]) -> None:
        self._rows = rows

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, index: int) -> dict[str, int]:
        return {"messages": index}

    def process(self, item: dict[str, int]) -> tuple[list[int], int]:
        row = self._rows[item["messages"]]
        return list(row.tokens), row.prompt


def _tokens(random: np.random.Generator, length: int, vocabulary: int) -> tuple[int, ...]:
    return tuple(random.integers(1, vocabulary, length).tolist())
