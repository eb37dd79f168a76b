"""Checkpoints: an adapter that mlx-lm loads as it is, and beside it what a run needs to go on.

A checkpoint folder is complete or absent: it is written aside, flushed to the disk and renamed.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from app.core.errors import AppError, InputError
from app.core.files import folder_written_aside, write_json_atomic
from app.engine.mlx_gateway import import_mlx
from app.engine.optimizer import Arrays, OptimizerState

ADAPTER_FILE = "adapters.safetensors"
ADAPTER_CONFIG_FILE = "adapter_config.json"
OPTIMIZER_FILE = "optimizer.safetensors"
STATE_FILE = "state.json"
FORMAT = 1


@dataclass(frozen=True)
class Progress:
    """How far a run had come."""

    step: int
    trained_tokens: int
    micro_batches: int
    """Batches taken from the data order, which seed and epoch decide."""
    void_steps: int
    best_val_loss: float | None
    random_state: tuple[int, int]
    """MLX's random key on the training thread."""


def checkpoint_folder(run_dir: Path, step: int) -> Path:
    return run_dir / "checkpoints" / f"step-{step:06d}"


def save_checkpoint(
    folder: Path,
    adapter: Mapping[str, Any],
    adapter_config: Mapping[str, Any],
    state: OptimizerState,
    progress: Progress,
) -> int:
    """Write `folder`, which must not exist; returns its size in bytes. Raises AppError."""
    with folder_written_aside(folder) as aside:
        _save_arrays(aside / ADAPTER_FILE, adapter)
        write_json_atomic(aside / ADAPTER_CONFIG_FILE, adapter_config)
        _save_arrays(aside / OPTIMIZER_FILE, _flatten(state))
        write_json_atomic(aside / STATE_FILE, {"format": FORMAT} | asdict(progress))
    return sum(file.stat().st_size for file in folder.iterdir())


def load_checkpoint(folder: Path) -> tuple[Arrays, OptimizerState, Progress]:
    """Adapter, optimizer state and progress. Raises InputError that names what can't be read."""
    mx = import_mlx()
    try:
        values = json.loads((folder / STATE_FILE).read_text(encoding="utf-8"))
        if values.pop("format") != FORMAT:
            raise InputError(f"{folder} was made by another version of Nestling.")
        values["random_state"] = tuple(values["random_state"])
        progress = Progress(**values)
        adapter = mx.load(str(folder / ADAPTER_FILE))
        state = _unflatten(mx.load(str(folder / OPTIMIZER_FILE)))
        mx.eval(adapter, state.tree())
    except AppError:
        raise
    except (OSError, ValueError, KeyError, TypeError, RuntimeError) as error:
        raise InputError(
            f"The checkpoint {folder} can't be read: {error}.", "Choose an earlier one."
        ) from error
    return adapter, state, progress


def _save_arrays(path: Path, arrays: Mapping[str, Any]) -> None:
    # Through a Python file, because a full disk then says so as an OSError.
    with path.open("wb") as file:
        import_mlx().save_safetensors(file, dict(arrays))


def _flatten(state: OptimizerState) -> Arrays:
    flat: Arrays = {}
    for kind in ("m", "v", "pending"):
        flat |= {f"{kind}/{path}": value for path, value in getattr(state, kind).items()}
    for kind in ("fired_counts", "pending_counts"):
        flat |= {f"{kind}/{tier}": value for tier, value in enumerate(getattr(state, kind))}
    return flat


def _unflatten(flat: Arrays) -> OptimizerState:
    state = OptimizerState({}, {}, {}, [], [])
    counts: dict[str, dict[int, Any]] = {"fired_counts": {}, "pending_counts": {}}
    for name, value in flat.items():
        kind, _, key = name.partition("/")
        if kind in counts:
            counts[kind][int(key)] = value
        else:
            getattr(state, kind)[key] = value
    for kind, by_tier in counts.items():
        getattr(state, kind).extend(by_tier[tier] for tier in sorted(by_tier))
    return state
