"""A run's settings and data as pairs of words, for people. Knows no Qt."""

from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from app.core.base_model import (
    PART_NAMES,
    BaseModelCheck,
    describe_check,
    describe_digests,
    read_digests,
)
from app.core.config.training_config import CHOICES, TierConfig, TrainingConfig
from app.core.errors import InputError
from app.core.system.compute_environment import read_environments
from app.core.text.sanitize import single_line
from app.core.wording.names import dataset_title, model_name
from app.library.run.manifest import TEMPLATE_DAY
from app.ui.look import formatting

if TYPE_CHECKING:
    from app.library.reading.run_details import RunDetails

Facts = list[tuple[str, str]]
_MOST_FACTS, _MOST_WORDS, _MOST_COUNT = 100, 400, 10**15
_SECTIONS = {
    "files": "Files",
    "tiers": "Tiers",
    "clocks": "Clocks",
    "training": "Training",
    "adapter": "Adapter",
    "watching": "Validation and checkpoints",
}


def setting_facts(details: "RunDetails") -> dict[str, Facts]:
    """Every setting under its section's heading."""
    if details.config is None:
        settings = list(details.settings.items())[:_MOST_FACTS]
        rows = [(single_line(name), single_line(str(value))) for name, value in settings]
        return {"Settings": rows} if rows else {}
    found: dict[str, Facts] = {}
    for field in fields(TrainingConfig):
        if field.name == "output":
            continue
        heading = _SECTIONS[field.metadata["section"]]
        shown = single_line(
            setting_text(getattr(details.config, field.name), field.name), _MOST_WORDS
        )
        found.setdefault(heading, []).append((field.metadata["label"], shown))
    return found


def data_facts(details: "RunDetails") -> Facts:
    facts, started = details.facts, details.started
    rows: Facts = []
    _add(rows, "Examples to train on", facts.get("train_examples"))
    _add(rows, "Examples to validate on", facts.get("valid_examples"))
    if last := details.last_validation:
        words = f"{formatting.loss(last.val_loss)} on {last.rows:,} held-out rows"
        rows.append(("Validation loss at the end", words))
    if day := facts.get(TEMPLATE_DAY):
        rows.append(("Date in all rows", single_line(f"{day}, by the chat template")))
    _add(rows, "Parameters of the base model", facts.get("base_parameters"))
    _add(rows, "Parameters trained", started.trainable_parameters or None)
    for index, tier in enumerate(started.tiers):
        if tier.parameters:
            rows.append((f"Tier {index}", f"{tier.parameters:,} parameters · {tier.description}"))
    for score in facts.get("scores", [])[:_MOST_FACTS]:
        if isinstance(score, dict) and {"name", "when", "correct", "total"} <= set(score):
            words = single_line(f"{score['correct']} of {score['total']} right")
            asked = f"{str(score['name']).capitalize()}, {score['when']}"
            rows.append((single_line(asked), words))
    versions = facts.get("versions")
    if isinstance(versions, dict):
        made_with = ", ".join(f"{name} {v}" for name, v in versions.items())
        rows.append(("Versions", single_line(made_with, _MOST_WORDS)))
    computers = read_environments(facts)
    for after, computer in computers[-_MOST_FACTS:]:
        words = f"Device from step {after + 1:,}" if len(computers) > 1 else "Device"
        rows.append((words, str(computer)))
    if started.device and not computers:
        rows.append(("Device", started.device))
    rows.append(("Disk use", formatting.size(details.summary.size_bytes)))
    rows.append(("Folder", str(details.summary.run_dir)))
    return rows


def base_model_facts(details: "RunDetails", check: BaseModelCheck) -> Facts:
    """What the run keeps of its base model, and whether that is still so."""
    try:
        digests = read_digests(details.facts)
    except InputError:
        digests = None
    parts = [
        (PART_NAMES[part].capitalize(), "\n".join(single_line(file, _MOST_WORDS) for file in files))
        for part, files in (describe_digests(digests) if digests else ())
    ]
    return [("Status", single_line(describe_check(check), _MOST_WORDS)), *parts]


def setting_text(value: Any, name: str) -> str:
    """A setting's value as the form words it."""
    if name == "tiers":
        return ", ".join(map(_tier, value))
    if value is None or value in ("", ()):
        return formatting.EMPTY.get(name, "–")
    if isinstance(value, bool):
        return "Yes" if value else "No"
    if isinstance(value, tuple):
        return ", ".join(map(str, value))
    if isinstance(value, float):
        return formatting.number(value)
    if isinstance(value, int):
        return f"{value:,}" if name != "seed" else str(value)
    return formatting.choice(name, str(value)) if name in CHOICES else str(value)


def differing_settings(configs: list[TrainingConfig]) -> list[tuple[str, list[str]]]:
    """The settings that are not the same in all runs: label, and each run's value."""
    found = []
    for field in fields(TrainingConfig):
        values = [getattr(config, field.name) for config in configs]
        if field.name in ("output", "name") or all(value == values[0] for value in values):
            continue
        texts = [_short(value, field.name) for value in values]
        found.append((str(field.metadata["label"]), texts))
    return found


def _short(value: Any, name: str) -> str:
    """In a narrow column: files by their names, tiers by their periods."""
    if isinstance(value, Path):
        return model_name(value) if name == "model" else dataset_title(value)
    if name == "tiers" and all(tier == TierConfig(tier.period) for tier in value):
        return " · ".join(str(tier.period) for tier in value)
    return setting_text(value, name)


def _tier(tier: TierConfig) -> str:
    words = "every step" if tier.period == 1 else f"every {tier.period:,} steps"
    if tier.learning_rate_factor != 1:
        words += f" × {formatting.number(tier.learning_rate_factor)}"
    return words if tier.pending is None else f"{words} ({tier.pending})"


def _add(rows: Facts, name: str, value: object) -> None:
    if type(value) is int and 0 <= value < _MOST_COUNT:
        rows.append((name, f"{value:,}"))
