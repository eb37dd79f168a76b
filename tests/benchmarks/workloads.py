"""Models with random weights and rows of random tokens, the same for both sides of a comparison."""

import importlib
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from app.core.config.training_config import TierConfig, TrainingConfig
from app.data.row_values import RowLocation
from app.data.tokens.token_view import TokenView
from app.data.tokens.tokenized_examples import TokenizedExample
from app.engine.adapter.adapter import add_adapter

SMALL, MIDDLE, LARGE = 4_096, 32_768, 100_352
"""Vocabularies."""


class Architecture(Protocol):
    """What a model with random weights is made from."""

    @property
    def vocabulary(self) -> int: ...

    def module(self) -> Any: ...


@dataclass(frozen=True)
class Shape:
    """A small Llama in float32."""

    vocabulary: int
    hidden: int = 256
    layers: int = 4

    def module(self) -> Any:
        from mlx_lm.models import llama

        config = {
            "model_type": "llama",
            "hidden_size": self.hidden,
            "num_hidden_layers": self.layers,
            "intermediate_size": self.hidden * 11 // 4,
            "num_attention_heads": self.hidden // 64,
            "num_key_value_heads": max(1, self.hidden // 128),
            "rms_norm_eps": 1e-5,
            "vocab_size": self.vocabulary,
            "tie_word_embeddings": True,
        }
        return llama.Model(llama.ModelArgs.from_dict(config))


REAL_SIZES: dict[str, dict[str, Any]] = {
    "Qwen3-0.6B": {
        "model_type": "qwen3",
        "hidden_size": 1024,
        "num_hidden_layers": 28,
        "intermediate_size": 3072,
        "num_attention_heads": 16,
        "num_key_value_heads": 8,
        "head_dim": 128,
        "rms_norm_eps": 1e-6,
        "vocab_size": 151_936,
        "max_position_embeddings": 40_960,
        "rope_theta": 1e6,
        "tie_word_embeddings": True,
    },
    "Llama-3.2-1B": {
        "model_type": "llama",
        "hidden_size": 2048,
        "num_hidden_layers": 16,
        "intermediate_size": 8192,
        "num_attention_heads": 32,
        "num_key_value_heads": 8,
        "head_dim": 64,
        "rms_norm_eps": 1e-5,
        "vocab_size": 128_256,
        "max_position_embeddings": 131_072,
        "rope_theta": 5e5,
        "tie_word_embeddings": True,
    },
}


@dataclass(frozen=True)
class RealSize:
    """A model people use, by its published sizes, with random weights in bfloat16 or 4-bit."""

    name: str
    bits: int | None = None

    @property
    def vocabulary(self) -> int:
        return int(REAL_SIZES[self.name]["vocab_size"])

    def module(self) -> Any:
        import mlx.core as mx
        import mlx.nn as nn

        config = REAL_SIZES[self.name]
        architecture = importlib.import_module(f"mlx_lm.models.{config['model_type']}")
        model = architecture.Model(architecture.ModelArgs.from_dict(config))
        model.set_dtype(mx.bfloat16)
        if self.bits:
            nn.quantize(model, group_size=64, bits=self.bits)
        return model

    def __str__(self) -> str:
        return f"{self.name}, {'bfloat16' if self.bits is None else f'{self.bits}-bit'}"


@dataclass(frozen=True)
class Row:
    """One example: tokens, and where the trained part begins."""

    tokens: tuple[int, ...]
    prompt: int


def build(architecture: Architecture, seed: int = 0) -> Any:
    """A model with LoRA of rank 8 on every linear layer, evaluated."""
    import mlx.core as mx

    mx.random.seed(seed)
    model = architecture.module()
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
        TokenizedExample(row.tokens, ((row.prompt, len(row.tokens)),), RowLocation(line))
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
