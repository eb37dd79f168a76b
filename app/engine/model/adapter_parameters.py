"""An adapter's parameters in the model: their paths, their rank axis, and the only function that
writes an update."""

import re
from collections.abc import Iterable

import mlx.core as mx
import mlx.nn as nn

from app.core.errors import VerificationError
from app.engine.model.model_structure import get_module, put
from app.engine.runtime.named_arrays import ArrayMap, Arrays

_LAYER_INDEX = re.compile(r"(?:^|\.)(?:layers|h|blocks)\.(\d+)\.")
"""The names of the list of layers in mlx-lm's architectures."""


def read_parameters(model: nn.Module, paths: Iterable[str]) -> Arrays:
    """The model's current arrays at `paths`, each looked up from the model's root.

    Unlike `trainable_parameters`, it does not walk over all modules, which in a deep model takes
    milliseconds of every step. Raises VerificationError if a path has no parameter.
    """
    return {path: _looked_up(model, path) for path in paths}


def _looked_up(model: nn.Module, path: str) -> mx.array:
    try:
        return get_module(model, path)
    except (KeyError, IndexError, ValueError, TypeError) as error:
        raise VerificationError(f"The model has no parameter named {path}.") from error


def write_parameters(model: nn.Module, updates: ArrayMap) -> None:
    """Write `updates` (dotted path → array) into the model; nothing else writes an update.

    Names, shapes and dtypes are checked first, because `Module.update` accepts a wrong shape.
    Afterwards the model is read back, so that no update can get lost. Raises VerificationError;
    an update with a wrong name, shape or dtype changes nothing.
    """
    current = read_parameters(model, updates)
    for path, value in updates.items():
        if current[path].shape != value.shape or current[path].dtype != value.dtype:
            raise VerificationError(
                f"The update of {path} is {value.dtype} {value.shape}, "
                f"but the model holds {current[path].dtype} {current[path].shape}."
            )
    put(model, updates)
    current = read_parameters(model, updates)
    for path, value in updates.items():
        if current[path] is not value:
            raise VerificationError(f"The update of {path} did not reach the model.")


def layer_index(path: str) -> int | None:
    """The index of a parameter's layer: "model.layers.3.mlp…" → 3; None outside the layers."""
    match = _LAYER_INDEX.search(path)
    return int(match.group(1)) if match else None


def rank_axis(path: str, dimensions: int) -> int:
    """The axis of the rank in a parameter with this number of `dimensions`.

    `lora_a` is [in, rank] and `lora_b` is [rank, out]; with experts they are [experts, rank, in]
    and [experts, out, rank].
    """
    if path.endswith("lora_a"):
        return 1
    return 0 if dimensions == 2 else 2


def is_cut_by_rank(path: str) -> bool:
    """Whether the parameter has a rank axis; DoRA's magnitudes `m` don't."""
    return path.endswith(("lora_a", "lora_b"))


def module_path(path: str) -> str:
    """The adapted module of a parameter: its path without "lora_a", "lora_b" or "m"."""
    return path.rpartition(".")[0]
