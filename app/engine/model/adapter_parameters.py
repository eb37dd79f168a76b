"""An adapter's parameters in the model: their names, their rank axis, and the one place that
writes them."""

import re
from collections.abc import Iterable

import mlx.core as mx
import mlx.nn as nn

from app.core.errors import VerificationError
from app.engine.model.model_structure import get_module, put
from app.engine.runtime.named_arrays import ArrayMap, Arrays

_LAYER_INDEX = re.compile(r"(?:^|\.)(?:layers|h|blocks)\.(\d+)\.")
"""By what mlx-lm's architectures call the list of their layers."""


def read_parameters(model: nn.Module, paths: Iterable[str]) -> Arrays:
    """The arrays at `paths` as they stand in the model now, each looked up from the model's root.

    The same as a part of `trainable_parameters`, without a walk over all modules, which in a deep
    model takes milliseconds of every step. Raises VerificationError where there is no parameter.
    """
    return {path: _looked_up(model, path) for path in paths}


def _looked_up(model: nn.Module, path: str) -> mx.array:
    try:
        return get_module(model, path)
    except (KeyError, IndexError, ValueError, TypeError) as error:
        raise VerificationError(f"The model has no parameter named {path}.") from error


def write_parameters(model: nn.Module, updates: ArrayMap) -> None:
    """Put `updates` (dotted path → array) into the model: the one place that does.

    Nestling began with updates that never arrived. So: names and shapes are checked before, as
    `Module.update` lets a wrong shape pass, and afterwards the model is asked for what it holds.
    Raises VerificationError; a refused update changes nothing.
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
    """The model's layer a parameter belongs to: "model.layers.3.mlp…" → 3; None outside layers."""
    match = _LAYER_INDEX.search(path)
    return int(match.group(1)) if match else None


def rank_axis(path: str, dimensions: int) -> int:
    """Along which axis of a parameter with `dimensions` axes its rank lies.

    `lora_a` is [in, rank], `lora_b` [rank, out]; of experts [experts, rank, in] and
    [experts, out, rank].
    """
    if path.endswith("lora_a"):
        return 1
    return 0 if dimensions == 2 else 2


def is_cut_by_rank(path: str) -> bool:
    """False for DoRA's magnitudes `m`, which all ranks share."""
    return path.endswith(("lora_a", "lora_b"))


def module_path(path: str) -> str:
    """The adapted module of a parameter: its path without "lora_a", "lora_b" or "m"."""
    return path.rpartition(".")[0]
