"""The configuration as text: flags, TOML and JSON, each value checked for its type.

Knows nothing of what a value means or whether it can work; TrainingConfig's `problems()` says that.
"""

from collections.abc import Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, get_args

import tomli_w

from app.core.config.tiers import Pending
from app.core.config.training_config import CHOICES, MixedDataset, TierConfig, TrainingConfig
from app.core.errors import InputError
from app.core.files.parsing import parse_toml
from app.core.files.paths import shipped
from app.core.text.numbers import is_finite
from app.core.text.sanitize import short_repr, single_line


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
    raise InputError(f"A tier's pending gradients are accumulate or skip; got {short_repr(word)}.")


def load_toml(path: Path, base: TrainingConfig | None = None) -> TrainingConfig:
    """`base` with the settings of a TOML file, whose keys are the names of TrainingConfig."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise InputError(f"The settings file {path} can't be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise InputError(f"The settings file {path} is not UTF-8 text.") from error
    try:
        table = parse_toml(text)
    except ValueError as error:
        raise InputError(f"{path} is not valid TOML: {error}.") from error
    return with_settings(base or TrainingConfig(), table, where=str(path))


def with_settings(
    config: TrainingConfig, values: Mapping[str, Any], *, where: str
) -> TrainingConfig:
    """`config` with plain values (from TOML, JSON) put in, each checked for its type."""
    known = {f.name: f for f in fields(TrainingConfig)}
    changes = {}
    for name, value in values.items():
        if name not in known:
            raise InputError(f"{where}: there is no setting named {short_repr(name)}.")
        changes[name] = _typed(name, value, known[name].type, where)
    return replace(config, **changes)


_BEFORE: Mapping[str, Any] = {
    "replies": "whole chat",
    "validation_rows": 10_000_000,
    "questions_asked": 10_000_000,
}
"""What runs did that name no such setting: they began with a version that had none."""


def config_from_manifest(settings: Mapping[str, Any], *, where: str) -> TrainingConfig:
    """The config in a run's manifest. Raises InputError."""
    return with_settings(TrainingConfig(), {**_BEFORE, **settings}, where=where)


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
    """Settings of any kind as TOML, under a line that says what is wrong with them.

    TOML has no null: what is null is left out.
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


def _typed(name: str, value: Any, kind: Any, where: str) -> Any:
    if name in CHOICES:
        if value in CHOICES[name]:
            return value
        raise InputError(f"{where}: {name} must be one of {', '.join(CHOICES[name])}.")
    if name == "tiers":
        return _typed_tiers(value, where)
    if name == "mix":
        return _typed_mix(value, where)
    if name in ("tier_patterns", "keys") and _is_list_of(value, str):
        return ", ".join(value)
    if name == "question_sets" and _is_list_of(value, str):
        return tuple(shipped(Path(item)) for item in value)
    if kind in (Path, Path | None) and isinstance(value, str):
        return shipped(Path(value))
    if kind is float and isinstance(value, int | float) and not _is_too_large(value):
        return float(value)
    if kind is int and isinstance(value, int) and not isinstance(value, bool):
        return value
    if kind in (str, bool) and isinstance(value, kind):
        return value
    raise InputError(f"{where}: {name} can't be {short_repr(value)}.")


def _is_too_large(value: float) -> bool:
    """Whether no float holds it; True and False are no numbers either."""
    return isinstance(value, bool) or (isinstance(value, int) and not is_finite(value))


def _typed_mix(value: Any, where: str) -> tuple[MixedDataset, ...]:
    try:
        if _is_list_of(value, str):
            return tuple(map(_parsed_mix, value))
        if _is_list_of(value, dict):
            return tuple(map(_mixed_dataset, value))
    except (KeyError, TypeError, ValueError, OverflowError):
        pass
    raise InputError(
        f"{where}: mix must name datasets with their shares, like old.jsonl=0.25, or be tables "
        "with data, share and maybe map."
    )


def _parsed_mix(text: str) -> MixedDataset:
    path, _, share = text.rpartition("=")
    if not path:
        raise ValueError
    return MixedDataset(shipped(Path(path)), float(share))


def _mixed_dataset(table: Mapping[str, Any]) -> MixedDataset:
    data, share, columns = table["data"], table["share"], table.get("map", "")
    are_known = not set(table) - {"data", "share", "map"}
    are_texts = isinstance(data, str) and data and isinstance(columns, str)
    if not (are_known and are_texts) or isinstance(share, bool | str):
        raise ValueError
    return MixedDataset(shipped(Path(data)), float(share), columns)


def _typed_tiers(value: Any, where: str) -> tuple[TierConfig, ...]:
    if _is_list_of(value, int):
        return tuple(TierConfig(period) for period in value)
    if _is_list_of(value, dict):
        try:
            return tuple(_typed_tier(table) for table in value)
        except (KeyError, TypeError, ValueError, OverflowError):
            pass
    raise InputError(
        f"{where}: tiers must be periods like [1, 2, 4], or tables with period, "
        "learning_rate_factor and pending."
    )


def _typed_tier(table: Mapping[str, Any]) -> TierConfig:
    pending, period = table.get("pending"), table["period"]
    if type(period) is not int or set(table) - {"period", "learning_rate_factor", "pending"}:
        raise ValueError
    return TierConfig(
        period,
        float(table.get("learning_rate_factor", 1.0)),
        None if pending is None else _pending(pending),
    )


def _is_list_of(value: Any, kind: type) -> bool:
    return isinstance(value, list) and all(type(item) is kind for item in value)
