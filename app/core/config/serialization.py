"""Reads and writes the configuration as flags, TOML and JSON; checks each value's type.

Does not know whether values make sense; `TrainingConfig.problems()` checks that.
"""

from collections.abc import Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, get_args, get_type_hints

import tomli_w

from app.core.config.tiers import Pending
from app.core.config.training_config import CHOICES, MixedDataset, TierConfig, TrainingConfig
from app.core.errors import InputError
from app.core.files.paths import shipped
from app.core.files.strict_parsing import parse_toml, typed
from app.core.files.untrusted_files import read_regular
from app.core.text.sanitize import short_repr, single_line

MAX_TOML_BYTES = 4 * 1024**2


def parse_tiers(periods: str, factors: str = "", pending: str = "") -> tuple[TierConfig, ...]:
    """Tiers from "1,2,4" and optionally one learning-rate factor each, "1,1,0.5".

    `pending` likewise says for each what it does between firings: "accumulate,skip,skip".
    """
    try:
        parsed = [int(p) for p in periods.split(",")]
    except ValueError:
        raise InputError(
            "Tiers must be whole numbers with commas between, like 1,2,4; got "
            f"{short_repr(periods)}."
        ) from None
    try:
        rates = [float(f) for f in factors.split(",")] if factors else [1.0] * len(parsed)
    except ValueError:
        raise InputError(
            "Tier factors must be numbers with commas between, like 1,1,0.5; got "
            f"{short_repr(factors)}."
        ) from None
    if len(rates) != len(parsed):
        raise InputError(f"{len(parsed)} tiers need {len(parsed)} factors; got {len(rates)}.")
    kept = [_pending(p.strip()) for p in pending.split(",")] if pending else [None] * len(parsed)
    if len(kept) != len(parsed):
        raise InputError(
            f"{len(parsed)} tiers need {len(parsed)} words; got {short_repr(pending)}."
        )
    return tuple(map(TierConfig, parsed, rates, kept))


def _pending(word: object) -> Pending:
    for known in get_args(Pending):
        if word == known:
            return known  # type: ignore[no-any-return]
    raise InputError(
        f"A tier's pending gradients must be accumulate or skip; got {short_repr(word)}."
    )


def load_toml(path: Path) -> TrainingConfig:
    """The settings of a TOML file, whose keys are the names of TrainingConfig."""
    try:
        text = read_regular(path, MAX_TOML_BYTES, follow_links=True).decode("utf-8")
    except OSError as error:
        raise InputError(f"The settings file {path} can't be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise InputError(f"The settings file {path} is not UTF-8 text.") from error
    try:
        table = parse_toml(text)
    except ValueError as error:
        raise InputError(f"{path} is not valid TOML: {error}.") from error
    return with_settings(TrainingConfig(), table, where=str(path))


def with_settings(
    config: TrainingConfig, values: Mapping[str, Any], *, where: str
) -> TrainingConfig:
    """`config` with plain values (from TOML, JSON) put in, each checked for its type.

    Old names of settings and of choices are understood.
    """
    types = get_type_hints(TrainingConfig)
    changes = {}
    for name, value in current_names(values, where=where).items():
        if name not in types:
            raise InputError(f"{where}: there is no setting named {short_repr(name)}.")
        changes[name] = _typed(name, value, types[name], where)
    return replace(config, **changes)


OLD_NAMES: Mapping[str, str] = {
    "gradient_accumulation": "grad_accumulation_steps",
    "max_norm": "max_grad_norm",
    "schedule": "lr_schedule",
    "early_stop_evals": "early_stopping_patience",
    "validation_share": "validation_split",
    "question_sets": "eval_sets",
    "questions_asked": "eval_questions",
    "fast_end": "fastest_first",
    "map": "columns",
}
"""Names of settings before version 0.2: runs, settings files, queues and commands still hold them.
"""
OLD_CHOICES: Mapping[str, Mapping[str, str]] = {
    "keep_checkpoints": {"best and last": "best-and-last"},
    "bad_rows": {"leave out": "skip"},
    "replies": {"whole chat": "whole-chat"},
}


def current_names(settings: Mapping[str, Any], *, where: str = "the settings") -> dict[str, Any]:
    """Settings as a file holds them, under today's names and with today's choices.

    Raises InputError if a setting is given under both names.
    """
    renamed: dict[str, Any] = {}
    for old, value in settings.items():
        name = OLD_NAMES.get(old, old)
        if name in renamed:
            raise InputError(f"{where}: {name} is given twice, also under its old name.")
        choices = OLD_CHOICES.get(name, {})
        renamed[name] = choices.get(value, value) if isinstance(value, str) else value
    return renamed


_DEFAULTS_OF_OLD_RUNS: Mapping[str, Any] = {
    "replies": "whole-chat",
    "validation_rows": 10_000_000,
    "eval_questions": 10_000_000,
}
"""Values for runs without these settings: older versions always worked this way."""


def config_from_manifest(settings: Mapping[str, Any], *, where: str) -> TrainingConfig:
    """The config in a run's manifest. Raises InputError."""
    known = dict(_DEFAULTS_OF_OLD_RUNS) | current_names(settings, where=where)
    return with_settings(TrainingConfig(), known, where=where)


def to_toml(config: TrainingConfig) -> str:
    """The config as a TOML file's text that `load_toml` reads back; its output folder is left out:
    a run repeated from the file gets one of its own.

    Raises InputError for a name that is not UTF-8, which TOML can't hold.
    """
    text = tomli_w.dumps(to_dict(replace(config, output=None)))
    try:
        text.encode()
    except UnicodeEncodeError as error:
        line = text[text.rfind("\n", 0, error.start) + 1 :].partition("\n")[0]
        raise InputError(
            f"The settings can't be written as TOML, as a name in them is not UTF-8: {line}",
            "Rename the file, and choose it again.",
        ) from error
    return text


def unparsed_toml(settings: Mapping[str, Any], problem: str) -> str:
    """Settings of any kind as TOML, under a comment with their problem.

    TOML has no null: null values are left out.
    """
    text = tomli_w.dumps(_without_null(dict(settings)))
    whole = f"# Nestling does not understand these settings: {single_line(problem, 400)}\n{text}"
    return whole.encode("utf-8", "replace").decode()


def _without_null(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_null(item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [_without_null(item) for item in value if item is not None]
    return value


def to_dict(config: TrainingConfig) -> dict[str, Any]:
    """The config as JSON or TOML can hold it; `with_settings` reads it back."""
    return {
        f.name: _plain(value)
        for f in fields(config)
        if (value := getattr(config, f.name)) is not None
    }


def _plain(value: Any) -> Any:
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, MixedDataset):
        return {name: _plain(item) for name, item in vars(value).items() if item != ""}
    if isinstance(value, TierConfig):
        return {name: item for name, item in vars(value).items() if item is not None}
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return value


_SHAPES = {
    "mix": "mix must name datasets with their shares, like old.jsonl=0.25, or be tables with data, "
    "share and maybe columns",
    "tiers": "tiers must be periods like [1, 2, 4], or tables with period, learning_rate_factor "
    "and pending",
} | {name: f"{name} must be one of {', '.join(choices)}" for name, choices in CHOICES.items()}
"""The sentence for a setting that is more than one plain value."""


def _typed(name: str, value: Any, kind: Any, where: str) -> Any:
    try:
        # A file of another copy of the app is replaced by this copy's.
        return typed(_written_out(name, value), kind, to_path=lambda text: shipped(Path(text)))
    except ValueError:
        problem = _SHAPES.get(name) or f"{name} can't be {short_repr(value)}"
        raise InputError(f"{where}: {problem}.") from None


def _written_out(name: str, value: Any) -> Any:
    """Expands a setting's short form. Raises ValueError if the value has neither form."""
    if not isinstance(value, list):
        return value
    match name:
        case "tier_patterns" | "keys":
            return ", ".join(value) if all(isinstance(item, str) for item in value) else value
        case "tiers":
            periods = [{"period": item} if type(item) is int else item for item in value]
            return _known_keys(periods, TierConfig)
        case "mix":
            datasets = [_mixed(item) if isinstance(item, str) else item for item in value]
            return [current_names(table) for table in _known_keys(datasets, MixedDataset, "map")]
    return value


def _mixed(text: str) -> dict[str, Any]:
    path, _, share = text.rpartition("=")
    return {"data": path, "share": float(share)}


def _known_keys(tables: list[Any], kind: type, *old: str) -> list[dict[str, Any]]:
    """The tables. Raises ValueError for a key that the dataclass lacks, or an empty text."""
    known = {*get_type_hints(kind), *old}
    for table in tables:
        if not isinstance(table, dict) or set(table) - known or table.get("data") == "":
            raise ValueError(table)
    return tables
