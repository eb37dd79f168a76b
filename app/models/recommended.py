"""Recommends base models by the memory that training them takes.

All are on the Hugging Face Hub in MLX format. Nestling downloads nothing: each model has a command
that downloads it to a folder that the Models list searches.
"""

import sys
from collections.abc import Collection
from dataclasses import dataclass

from app.core.events import MemoryVerdict
from app.models.training_memory import TrainingMemory

MACOS_INSTALL, OTHER_INSTALL = "brew install hf", "pip install -U huggingface_hub"


@dataclass(frozen=True)
class RecommendedModel:
    repository: str
    parameters: int
    size_bytes: int
    """The size of the download."""
    license: str
    memory: TrainingMemory

    @property
    def command(self) -> str:
        return f"hf download {self.repository}"


def _model(
    name: str, millions: int, size_mb: int, license: str, smallest_mb: int, usual_mb: int
) -> RecommendedModel:
    memory = TrainingMemory(smallest_mb * 10**6, usual_mb * 10**6)
    return RecommendedModel(
        f"mlx-community/{name}", millions * 10**6, size_mb * 10**6, license, memory
    )


RECOMMENDED = (
    _model("SmolLM2-135M-Instruct", 135, 270, "apache-2.0", 620, 3_110),
    _model("Qwen2.5-0.5B-Instruct-4bit", 494, 280, "apache-2.0", 1_220, 5_710),
    _model("Llama-3.2-1B-Instruct-4bit", 1_236, 700, "llama3.2", 1_630, 7_330),
    _model("Qwen2.5-1.5B-Instruct-4bit", 1_544, 870, "apache-2.0", 2_000, 11_500),
    _model("Llama-3.2-3B-Instruct-4bit", 3_213, 1_810, "llama3.2", 2_970, 15_400),
    _model("Qwen3-4B-4bit", 4_022, 2_260, "apache-2.0", 3_680, 20_700),
    _model("Mistral-7B-Instruct-v0.3-4bit", 7_248, 4_080, "apache-2.0", 5_410, 26_700),
    _model("Qwen3-8B-4bit", 8_191, 4_610, "apache-2.0", 6_240, 28_700),
)
"""Smallest first. The memory was computed by `training_memory` from the architectures' shapes."""


def recommended(available_bytes: int) -> tuple[tuple[RecommendedModel, MemoryVerdict], ...]:
    """The recommended models that can be trained in this much memory, each with its verdict."""
    rated = ((model, model.memory.verdict(available_bytes)) for model in RECOMMENDED)
    return tuple((model, verdict) for model, verdict in rated if verdict != "won't fit")


def missing(
    rated: tuple[tuple[RecommendedModel, MemoryVerdict], ...], names: Collection[str]
) -> tuple[tuple[RecommendedModel, MemoryVerdict], ...]:
    """The models that are not among `names`, those on this computer."""
    return tuple((model, verdict) for model, verdict in rated if model.repository not in names)


def install_command() -> str:
    """The command that installs hf."""
    return MACOS_INSTALL if sys.platform == "darwin" else OTHER_INSTALL
