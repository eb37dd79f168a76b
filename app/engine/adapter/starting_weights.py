"""Starts a run from an adapter: takes over its settings and loads its weights.

The run saves a copy of these weights, so that drift is measured from them after a resume too.
"""

import hashlib
import math
from dataclasses import replace
from pathlib import Path

import mlx.core as mx

from app.core.base_model import BaseModelDigests, compare_digests, read_digests
from app.core.config.training_config import CHOICES, TrainingConfig
from app.core.errors import AppError, InputError
from app.core.events import LogMessage
from app.core.files.strict_parsing import parse_json
from app.core.files.untrusted_files import read_regular
from app.core.text.sanitize import error_text, short_repr
from app.engine.adapter.adapter import add_adapter
from app.engine.model.adapter_parameters import write_parameters
from app.engine.model.language_model import LanguageModel
from app.engine.model.model_structure import trainable_parameters
from app.engine.runtime.named_arrays import ArrayMap, Arrays, JsonObject, load_arrays
from app.library.reading.starting_adapter import StartingAdapter, read_started_from
from app.library.run.layout import ADAPTER_CONFIG_FILE, ADAPTER_FILE, START, STIFFNESS_FILE
from app.library.run.manifest import read_manifest

_MAX_CONFIG_BYTES = 2**20
_NO_STIFFNESS = (
    "The adapter has no record of how much earlier runs depend on each weight, so the lasting "
    "clock does not pull toward it."
)
_OTHER = "Choose another adapter, or another base model."


def with_adapter_settings(config: TrainingConfig, folder: Path) -> TrainingConfig:
    """`config` with the method, rank, scale, layers and modules of the adapter in `folder`.

    Raises InputError if the adapter can't be continued.
    """
    saved = _read_config(folder)
    kind = saved.get("fine_tune_type", "lora")
    if kind not in CHOICES["fine_tune_type"]:
        raise InputError(
            f"The adapter in {folder} can't be continued: its fine_tune_type is "
            f"{short_repr(kind)}.",
            "Choose a LoRA or DoRA adapter.",
        )
    sizes = saved.get("lora_parameters")
    sizes = sizes if isinstance(sizes, dict) else {}
    rank, layers = _integer(folder, sizes, "rank"), _integer(folder, saved, "num_layers")
    keys = sizes.get("keys") or []
    if not isinstance(keys, list) or not all(isinstance(key, str) for key in keys):
        raise InputError(
            f"The keys in {folder / ADAPTER_CONFIG_FILE} are not a list of names.", _OTHER
        )
    scale = float(_number(folder, sizes, "scale"))
    merged = replace(
        config, fine_tune_type=kind, rank=rank, scale=scale, num_layers=layers, keys=",".join(keys)
    )
    try:
        return merged.checked()
    except InputError as error:
        message = f"The adapter in {folder} can't be continued: {error.message}"
        raise InputError(message, error.hint) from error


def add_fitting_adapter(
    model: LanguageModel, config: TrainingConfig, start: Path | None
) -> tuple[str, ...]:
    """`add_adapter`, with errors that name the adapter in `start` that the settings come from."""
    try:
        return add_adapter(model, config)
    except InputError as error:
        if start is None:
            raise
        raise InputError(_misfit(start, error.message), _OTHER) from error


def load_starting_weights(model: LanguageModel, folder: Path) -> str:
    """Load the weights in `folder` into `model`'s adapter, which has the same settings.

    Returns the weights' digest. Raises InputError that names the first parameter that doesn't fit.
    """
    try:
        saved = load_arrays(folder / ADAPTER_FILE)
        mx.eval(saved)
    except Exception as error:  # a file from elsewhere can contain anything
        raise InputError(
            f"{folder / ADAPTER_FILE} can't be read: {error_text(error)}.", _OTHER
        ) from error
    current = trainable_parameters(model)
    _check_fits(folder, saved, current)
    weights = {path: saved[path].astype(array.dtype) for path, array in current.items()}
    if bad := [path for path in weights if not mx.isfinite(weights[path]).all().item()]:
        raise InputError(f"The adapter in {folder} has infinite or NaN values in {bad[0]}.", _OTHER)
    write_parameters(model, weights)
    return digest_of_weights(trainable_parameters(model))


def read_stiffness(folder: Path, parameters: ArrayMap) -> Arrays | None:
    """The stiffness of the adapter in `folder`, by path; None if it has no stiffness file.

    Raises InputError if its names or shapes differ from `parameters`, or a value is invalid.
    """
    path = folder / STIFFNESS_FILE
    if not path.exists():
        return None
    hint = "Remove the file to continue without it, or choose another adapter."
    try:
        stiffness = load_arrays(path)
        mx.eval(stiffness)
    except Exception as error:  # a file from elsewhere can contain anything
        raise InputError(f"{path} can't be read: {error_text(error)}.", hint) from error
    shapes = {name: array.shape for name, array in stiffness.items()}
    if shapes != {name: array.shape for name, array in parameters.items()}:
        raise InputError(f"{path} does not fit the adapter beside it.", hint)
    wide = {name: array.astype(mx.float32) for name, array in stiffness.items()}
    if not all((mx.isfinite(a) & (a >= 0)).all().item() for a in wide.values()):
        raise InputError(f"{path} has negative, infinite or NaN values.", hint)
    return stiffness


def digest_of_weights(weights: ArrayMap) -> str:
    """SHA-256 of names, shapes and values, in the order of the names; hexadecimal."""
    import numpy as np

    digest = hashlib.sha256()
    for path in sorted(weights):
        array = np.array(weights[path].astype(mx.float32))
        digest.update(f"{path} {array.shape}\n".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()


def check_same_start(
    run_dir: Path, manifest: JsonObject, sha256: str, stiffness_sha256: str
) -> None:
    """Raise InputError if the adapter that a resumed run started from has changed."""
    origin = read_started_from(manifest)
    if origin and (origin.sha256, origin.stiffness_sha256) != (sha256, stiffness_sha256):
        raise InputError(
            f"{run_dir / START} is not the adapter that this run started from.",
            "Put the old files back, or start a new run.",
        )


def starting_notes(
    origin: StartingAdapter, config: TrainingConfig, digests: BaseModelDigests
) -> list[LogMessage]:
    """Log messages on the adapter and its settings, on a missing stiffness, and on another base
    model."""
    notes = [LogMessage(_words(origin, config))]
    if config.lasting_pull and not origin.stiffness_sha256:
        notes.append(LogMessage(_NO_STIFFNESS))
    if warning := _other_base(origin, config.model, digests):
        notes.append(LogMessage(warning, is_warning=True))
    return notes


def _words(origin: StartingAdapter, config: TrainingConfig) -> str:
    layers = {-1: "all layers", 1: "the top layer"}.get(
        config.num_layers, f"the top {config.num_layers} layers"
    )
    modules = f", on {config.keys.replace(',', ', ')}" if config.keys else ""
    return (
        f"Starts from {origin}: {'DoRA' if config.fine_tune_type == 'dora' else 'LoRA'} of rank "
        f"{config.rank}, scale {config.scale:g}, in {layers}{modules}."
    )


def _other_base(origin: StartingAdapter, model: Path, digests: BaseModelDigests) -> str:
    """A warning if the adapter's run had a base model with other weights, else ""."""
    if not origin.run:
        return ""
    try:
        recorded = read_digests(read_manifest(Path(origin.folder).parent.parent))
    except AppError:
        return ""
    check = compare_digests(model, recorded, digests)
    if "weights" not in check.changed:
        return ""
    return (
        f"{origin} was trained on another base model than {model}: the weights differ "
        f"({', '.join(check.files)}). The adapter may not work on this one."
    )


def _read_config(folder: Path) -> JsonObject:
    path = folder / ADAPTER_CONFIG_FILE
    try:
        parsed = parse_json(read_regular(path, _MAX_CONFIG_BYTES))
    except (OSError, ValueError, RecursionError, AppError) as error:
        raise InputError(f"{path} can't be read: {error_text(error)}.", _OTHER) from error
    if not isinstance(parsed, dict):
        raise InputError(f"{path} isn't an adapter's configuration.", _OTHER)
    return parsed


def _number(folder: Path, saved: JsonObject, name: str) -> float:
    value = saved.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float):
        where = folder / ADAPTER_CONFIG_FILE
        raise InputError(f"{where}: {name} is missing or not a number.", _OTHER)
    return value


def _integer(folder: Path, saved: JsonObject, name: str) -> int:
    value = _number(folder, saved, name)
    if not math.isfinite(value) or value != int(value):
        where = folder / ADAPTER_CONFIG_FILE
        raise InputError(f"{where}: {name} is not a whole number.", _OTHER)
    return int(value)


def _check_fits(folder: Path, saved: ArrayMap, current: ArrayMap) -> None:
    for path in sorted(saved.keys() | current.keys()):
        if path not in current:
            reason = f"the model has no parameter {path}"
        elif path not in saved:
            reason = f"it has no weights for {path}"
        elif saved[path].shape != current[path].shape:
            reason = f"{path} has shape {saved[path].shape}; the model needs {current[path].shape}"
        else:
            continue
        raise InputError(_misfit(folder, f"{reason}."), _OTHER)


def _misfit(folder: Path, reason: str) -> str:
    return f"The adapter in {folder} does not fit the base model: {reason}"
