"""A run that starts from an adapter: the settings that it takes over, and the weights themselves.

The run keeps a copy of those weights, from which its drift is measured when it resumes.
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
    "The adapter has no record of the weights that earlier runs depend on, so nothing is pulled "
    "back to it."
)
_OTHER = "Choose another adapter, or another base model."


def with_adapter_settings(config: TrainingConfig, folder: Path) -> TrainingConfig:
    """`config` with method, rank, scale, layers and modules of the adapter in `folder`.

    Raises InputError where there is none that can be continued.
    """
    found = _read_config(folder)
    kind = found.get("fine_tune_type", "lora")
    if kind not in CHOICES["fine_tune_type"]:
        raise InputError(
            f"The adapter in {folder} can't be continued: its fine_tune_type is "
            f"{short_repr(kind)}.",
            "Choose a LoRA or DoRA adapter.",
        )
    sizes = found.get("lora_parameters")
    sizes = sizes if isinstance(sizes, dict) else {}
    rank, layers = _whole(folder, sizes, "rank"), _whole(folder, found, "num_layers")
    keys = sizes.get("keys") or []
    if not isinstance(keys, list) or not all(isinstance(key, str) for key in keys):
        raise InputError(f"{folder / ADAPTER_CONFIG_FILE} has no list of names as keys.", _OTHER)
    scale = float(_number(folder, sizes, "scale"))
    taken = replace(
        config, fine_tune_type=kind, rank=rank, scale=scale, num_layers=layers, keys=",".join(keys)
    )
    try:
        return taken.checked()
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
    """Put the adapter in `folder` into `model`, which carries one of its settings; its digest.

    Raises InputError where the two don't fit, naming the first part.
    """
    try:
        saved = load_arrays(folder / ADAPTER_FILE)
        mx.eval(saved)
    except Exception as error:  # whatever a file from elsewhere may hold
        raise InputError(
            f"{folder / ADAPTER_FILE} can't be read: {error_text(error)}.", _OTHER
        ) from error
    own = trainable_parameters(model)
    _check_fits(folder, saved, own)
    weights = {path: saved[path].astype(array.dtype) for path, array in own.items()}
    if bad := [path for path in weights if not mx.isfinite(weights[path]).all().item()]:
        raise InputError(f"The adapter in {folder} has no finite numbers in {bad[0]}.", _OTHER)
    write_parameters(model, weights)
    return digest_of_weights(trainable_parameters(model))


def read_stiffness(folder: Path, parameters: ArrayMap) -> Arrays | None:
    """How stiffly the adapter in `folder` is tied to `parameters`; None where it does not say.

    Raises InputError where it says so of other numbers, or of none.
    """
    path = folder / STIFFNESS_FILE
    if not path.exists():
        return None
    hint = "Remove the file to continue without it, or choose another adapter."
    try:
        found = load_arrays(path)
        mx.eval(found)
    except Exception as error:  # whatever a file from elsewhere may hold
        raise InputError(f"{path} can't be read: {error_text(error)}.", hint) from error
    shapes = {name: array.shape for name, array in found.items()}
    if shapes != {name: array.shape for name, array in parameters.items()}:
        raise InputError(f"{path} does not fit the adapter beside it.", hint)
    wide = {name: array.astype(mx.float32) for name, array in found.items()}
    if not all((mx.isfinite(a) & (a >= 0)).all().item() for a in wide.values()):
        raise InputError(f"{path} has numbers below 0 or none at all.", hint)
    return found


def digest_of_weights(weights: ArrayMap) -> str:
    """SHA-256 over names, shapes and numbers, in the order of the names."""
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
    """Raise InputError unless a run that resumes has the adapter that it started from."""
    origin = read_started_from(manifest)
    if origin and (origin.sha256, origin.stiffness_sha256) != (sha256, stiffness_sha256):
        raise InputError(
            f"{run_dir / START} is not the adapter that this run started from.",
            "Put the old files back, or start a new run.",
        )


def starting_notes(
    origin: StartingAdapter, config: TrainingConfig, digests: BaseModelDigests
) -> list[LogMessage]:
    """For the log: the adapter, its settings, whether the lasting clock can pull toward it, and
    whether another base model was under it."""
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
    """A warning where the run that made the adapter had other weights; empty if not."""
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
        f"({', '.join(check.files)}). What it learned there may be of no use here."
    )


def _read_config(folder: Path) -> JsonObject:
    path = folder / ADAPTER_CONFIG_FILE
    try:
        found = parse_json(read_regular(path, _MAX_CONFIG_BYTES))
    except (OSError, ValueError, RecursionError, AppError) as error:
        raise InputError(f"{path} can't be read: {error_text(error)}.", _OTHER) from error
    if not isinstance(found, dict):
        raise InputError(f"{path} isn't an adapter's configuration.", _OTHER)
    return found


def _number(folder: Path, found: JsonObject, name: str) -> float:
    value = found.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float):
        where = folder / ADAPTER_CONFIG_FILE
        raise InputError(f"{where} has no number as {name}.", _OTHER)
    return value


def _whole(folder: Path, found: JsonObject, name: str) -> int:
    value = _number(folder, found, name)
    if not math.isfinite(value) or value != int(value):
        where = folder / ADAPTER_CONFIG_FILE
        raise InputError(f"{where} has no whole number as {name}.", _OTHER)
    return int(value)


def _check_fits(folder: Path, saved: ArrayMap, own: ArrayMap) -> None:
    for path in sorted(saved.keys() | own.keys()):
        if path not in own:
            reason = f"the model has no place for {path}"
        elif path not in saved:
            reason = f"it has nothing for {path}"
        elif saved[path].shape != own[path].shape:
            reason = f"{path} has the shape {saved[path].shape}, and the model's {own[path].shape}"
        else:
            continue
        raise InputError(_misfit(folder, f"{reason}."), _OTHER)


def _misfit(folder: Path, reason: str) -> str:
    return f"The adapter in {folder} does not fit the base model: {reason}"
