"""A run of two steps on a small model of any architecture."""

import json
from pathlib import Path
from typing import Any

from app.core.config.training_config import TierConfig, TrainingConfig
from app.core.errors import AppError
from app.core.events import Event, StepFinished
from app.data.files.dataset_files import find_files
from app.engine.adapter.adapter import add_adapter
from app.engine.model.loading import load_architecture, load_tokenizer
from app.engine.model.model_structure import trainable_parameters
from app.engine.tiers.assignment import make_plan
from app.engine.training.checkpoints import load_checkpoint
from app.engine.training.dataset_opening import data_settings
from app.engine.training.trainer import train
from app.models.model_folder import folder_limits
from tests.at_once import open_data
from tests.engine import architectures

BETA = 0.9
Rows = tuple[int, ...]


class Trained:
    """A run of two steps on a small model, and what it left."""

    def __init__(
        self, name: str, home: Path, rows: Rows, kinds: dict[str, Any], **changes: Any
    ) -> None:
        self.model = home / "model"
        self.model.mkdir()
        architectures.save(name, self.model, **kinds)
        self.data = home / "rows.jsonl"
        write_rows(self.data, self.model, rows)
        self.config = TrainingConfig(
            model=self.model, data=self.data, batch_size=3, steps=2, steps_per_save=1, rank=4,
            learning_rate=1e-2, warmup_steps=0, lr_schedule="constant", weight_decay=0.0,
            max_grad_norm=0.0,
            validation_split=0.0, tiers=(TierConfig(1), TierConfig(2)), seed=5, **changes,
        )  # fmt: skip
        self.runs = home / "runs"
        self.events: list[Event] = []
        self.refusal: str | None = None
        try:
            for event in train(self.config, runs_dir=self.runs):
                self.events.append(event)
        except AppError as error:
            self.refusal = str(error)

    @property
    def folders(self) -> list[Path]:
        return list(self.runs.iterdir()) if self.runs.is_dir() else []

    def checkpoint(self, step: int) -> Path:
        return self.folders[0] / "checkpoints" / f"step-{step:06d}"

    def steps(self) -> list[StepFinished]:
        return [event for event in self.events if isinstance(event, StepFinished)]

    def log(self) -> str:
        return "\n".join(str(event) for event in self.events if "Log" in type(event).__name__)

    def rows(self) -> list[tuple[int, ...]]:
        tokenizer = load_tokenizer(self.model)
        view = open_data(
            find_files(self.data), tokenizer, data_settings(self.config, folder_limits(self.model))
        ).train
        return [view[index].tokens for index in range(len(view))]

    def gradients(self) -> dict[str, Any]:
        """Of the second step, from what the optimizer remembers after each."""
        model = load_architecture(self.model)
        add_adapter(model, self.config)
        parameters = trainable_parameters(model)
        plan = make_plan(parameters, self.config)
        one, two = (load_checkpoint(self.checkpoint(step)).state for step in (1, 2))
        slow = 2 * two.m[1] / (1 - BETA) - one.pending[1]
        return plan.unflatten({0: (two.m[0] - BETA * one.m[0]) / (1 - BETA), 1: slow}, parameters)


def write_rows(path: Path, model: Path, lengths: Rows) -> None:
    tokenizer = load_tokenizer(model)
    words = ["the", "river", "seven", "moon", "and", "light", "table", "answers", "green", "why"]
    rows = []
    for number, length in enumerate(lengths):
        text, index = "", number
        while len(tokenizer.encode(text)) < length - 2:
            index = (index * 7 + 3 + len(text)) % len(words)
            text += words[index] + " "
        rows.append(json.dumps({"text": text.strip()}))
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")
