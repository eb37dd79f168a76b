"""Describes a run's settings and data as names and values. Does not import Qt."""

from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from app.core.base_model import BaseModelCheck, describe_check, describe_digests, read_digests
from app.core.config.setting import percent
from app.core.config.training_config import CHOICES, TierConfig, TrainingConfig, config_field
from app.core.errors import InputError
from app.core.system.compute_environment import read_environments
from app.core.text.sanitize import single_line
from app.core.text.sentences import localized
from app.core.text.translation import decimal, tr, trn
from app.core.wording.display_names import dataset_title, model_name
from app.core.wording.results import question_set_title, set_title
from app.library.run.manifest import TEMPLATE_DAY
from app.ui.look import formatting

if TYPE_CHECKING:
    from app.library.reading.run_details import RunDetails

Facts = list[tuple[str, str]]
_MAX_FACTS, _MAX_WORDS, _MAX_COUNT = 100, 400, 10**15
_SECTIONS = {
    "files": tr("Files"),
    "tiers": tr("Tiers"),
    "clocks": tr("Clocks"),
    "training": tr("Training"),
    "adapter": tr("Adapter"),
    "watching": tr("Validation and checkpoints"),
}
_PARTS = {
    "weights": tr("Weights"),
    "config": tr("Configuration"),
    "tokenizer": tr("Tokenizer"),
    "template": tr("Chat template"),
}
_WHEN = {"before": tr("before"), "after": tr("after")}


def setting_facts(details: "RunDetails") -> dict[str, Facts]:
    """All settings, grouped by section."""
    if details.config is None:
        settings = list(details.settings.items())[:_MAX_FACTS]
        rows = [(single_line(name), single_line(str(value))) for name, value in settings]
        return {tr("Settings"): rows} if rows else {}
    found: dict[str, Facts] = {}
    for field in fields(TrainingConfig):
        if field.name == "output":
            continue
        heading = _SECTIONS[field.metadata["section"]]
        shown = single_line(
            setting_text(getattr(details.config, field.name), field.name), _MAX_WORDS
        )
        found.setdefault(heading, []).append((tr(field.metadata["label"]), shown))
    return found


def data_facts(details: "RunDetails") -> Facts:
    facts, started = details.facts, details.started
    rows: Facts = []
    _add(rows, tr("Examples to train on"), facts.get("train_examples"))
    _add(rows, tr("Examples to validate on"), facts.get("valid_examples"))
    if last := details.last_validation:
        loss = formatting.loss(last.val_loss)
        words = trn(
            "{loss} on {n:,} validation row",
            "{loss} on {n:,} validation rows",
            last.rows,
            loss=loss,
        )
        rows.append((tr("Validation loss at the end"), words))
    if day := facts.get(TEMPLATE_DAY):
        words = tr("{day}, by the chat template", day=day)
        rows.append((tr("Date in all rows"), single_line(words)))
    _add(rows, tr("Parameters of the base model"), facts.get("base_parameters"))
    _add(rows, tr("Parameters trained"), started.trainable_parameters or None)
    for index, tier in enumerate(started.tiers):
        if tier.parameters:
            words = trn("{n:,} parameter", "{n:,} parameters", tier.parameters)
            rows.append((tr("Tier {n}", n=index), f"{words} · {localized(tier.description)}"))
    for score in facts.get("scores", [])[:_MAX_FACTS]:
        if isinstance(score, dict) and {"name", "when", "correct", "total"} <= set(score):
            rows.append((single_line(_score_name(score)), single_line(_score_text(score))))
    versions = facts.get("versions")
    if isinstance(versions, dict):
        made_with = ", ".join(f"{name} {v}" for name, v in versions.items())
        rows.append((tr("Versions"), single_line(made_with, _MAX_WORDS)))
    computers = read_environments(facts)
    for after, computer in computers[-_MAX_FACTS:]:
        several = tr("Device from step {step:,}", step=after + 1)
        rows.append((several if len(computers) > 1 else tr("Device"), str(computer)))
    if started.device and not computers:
        rows.append((tr("Device"), started.device))
    rows.append((tr("Disk use"), formatting.size(details.summary.size_bytes)))
    rows.append((tr("Folder"), str(details.summary.run_dir)))
    return rows


def _score_name(score: dict[str, Any]) -> str:
    """A question set's name and when its questions were asked. In an edited file, both can be any
    value.
    """
    return f"{set_title(str(score['name']))}, {_WHEN.get(str(score['when']), score['when'])}"


def _score_text(score: dict[str, Any]) -> str:
    return tr("{correct} of {total} right", correct=score["correct"], total=score["total"])


def base_model_facts(details: "RunDetails", check: BaseModelCheck) -> Facts:
    """The status of the run's base model compared with the recorded digests, and these digests."""
    try:
        digests = read_digests(details.facts)
    except InputError:
        digests = None
    parts = [
        (_PARTS[part], "\n".join(single_line(file, _MAX_WORDS) for file in files))
        for part, files in (describe_digests(digests) if digests else ())
    ]
    return [(tr("Status"), single_line(describe_check(check), _MAX_WORDS)), *parts]


def setting_text(value: Any, name: str) -> str:
    """A setting's value in the words of the settings form."""
    if name == "tiers":
        return ", ".join(map(_tier, value))
    if value is None or value in ("", ()):
        return formatting.EMPTY.get(name, "–")
    if isinstance(value, bool):
        return tr("Yes") if value else tr("No")
    if isinstance(value, tuple):
        return ", ".join(map(str, value))
    if isinstance(value, float):
        is_percent = config_field(name).metadata["is_percent"]
        return percent(value) if is_percent else formatting.number(value)
    if isinstance(value, int):
        return decimal(f"{value:,}") if name != "seed" else str(value)
    return formatting.choice(name, str(value)) if name in CHOICES else str(value)


def differing_settings(configs: list[TrainingConfig]) -> list[tuple[str, list[str]]]:
    """The settings that differ between the runs: each label with one value per run."""
    found = []
    for field in fields(TrainingConfig):
        values = [getattr(config, field.name) for config in configs]
        if field.name in ("output", "name") or all(value == values[0] for value in values):
            continue
        texts = [_short(value, field.name) for value in values]
        found.append((tr(field.metadata["label"]), texts))
    return found


def _short(value: Any, name: str) -> str:
    """A short text for a narrow column: file names instead of paths, periods instead of tiers."""
    if isinstance(value, Path):
        return model_name(value) if name == "model" else dataset_title(value)
    if name == "tiers" and all(tier == TierConfig(tier.period) for tier in value):
        return " · ".join(str(tier.period) for tier in value)
    if value and isinstance(value, tuple) and isinstance(value[0], Path):  # question sets
        return ", ".join(map(question_set_title, value))
    return setting_text(value, name)


def _tier(tier: TierConfig) -> str:
    words = trn("every step", "every {n:,} steps", tier.period)
    if tier.learning_rate_factor != 1:
        words += f" × {formatting.number(tier.learning_rate_factor)}"
    if tier.pending is None:
        return words
    return f"{words} ({formatting.choice('pending', tier.pending)})"


def _add(rows: Facts, name: str, value: object) -> None:
    if type(value) is int and 0 <= value < _MAX_COUNT:
        rows.append((name, decimal(f"{value:,}")))
