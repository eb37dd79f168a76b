"""Checkpoints: an adapter that mlx-lm loads unchanged, and the state to resume from.

A checkpoint folder is complete or absent: it is written under a temporary name, flushed to the disk
and renamed.
"""

import hashlib
import itertools
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import BinaryIO, cast

import mlx.core as mx

from app.core.errors import InputError, VerificationError
from app.core.files.atomic_files import disk_errors_as_app_errors, write_json_atomic
from app.core.files.folders import PRIVATE_FOLDER, atomic_folder
from app.core.files.untrusted_files import copy_regular_in_steps, create_file, open_regular
from app.core.progress import drain
from app.core.system.compute_environment import ComputeEnvironment, read_environment
from app.core.text.sanitize import error_text
from app.engine.runtime.mlx_runtime import current_computer
from app.engine.runtime.named_arrays import ArrayMap, Arrays, JsonObject, load_arrays
from app.engine.tiers.optimizer import OptimizerState
from app.engine.tiers.plan import TierPlan
from app.library.reading.checkpoint_retention import checkpoint_folders, foreign_checkpoints
from app.library.run.layout import (
    ADAPTER_CONFIG_FILE,
    ADAPTER_FILE,
    ADAPTER_FILES,
    CHECKPOINT_FILES,
    CHECKPOINTS,
    METRICS_FILES,
    OPTIMIZER_FILE,
    STATE_FILE,
    STIFFNESS_FILE,
    checkpoint_step,
)
from app.library.run.manifest import json_digest
from app.library.run.resumability import ANOTHER_RUNS, describe_foreign, is_intact, read_state

FORMAT = 2


@dataclass(frozen=True)
class Progress:
    """A run's state at a checkpoint. Seed and step determine the data order, so it is not saved."""

    step: int = 0
    trained_tokens: int = 0
    void_steps: int = 0
    """Void steps in a row, up to this step."""
    void_steps_in_all: int = 0
    best_val_loss: float | None = None
    best_step: int | None = None
    """The step of that validation; 0 is the base model, which has no checkpoint."""
    evals_since_best: int = 0
    random_state: tuple[int, int] = (0, 0)
    """MLX's random key on the training thread."""
    metrics_bytes: int = 0
    """Length of the steps file when the checkpoint was made."""
    plan_digest: str = ""
    """Digest of the tier plan, which maps the optimizer's state to parameters."""
    settings_digest: str = ""
    """The manifest's digest of the settings that affect the weights; "" in older checkpoints."""
    run: str = ""
    """The run's identity; "" in older checkpoints."""
    is_validation_due: bool = False
    """The validation after this step was interrupted; a resumed run repeats it first."""
    best_forgetting: float = 0.0
    """The forgetting penalty added to the best validation's loss."""
    interpolated: float | None = None
    """The adapter's share of its distance from the start, if it was interpolated at the end."""
    base_kl: float | None = None
    """The last KL divergence from the base; None if it was never measured after a step."""


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint read back; its arrays are evaluated."""

    folder: Path
    size_bytes: int
    adapter: Arrays
    state: OptimizerState
    progress: Progress
    computed_by: ComputeEnvironment | None = None
    """None in older checkpoints."""

    def check_fits(self, parameters: ArrayMap, plan: TierPlan, *, has_slow: bool = False) -> None:
        """Raise InputError unless this belongs to an adapter with `parameters` and to `plan`.

        `has_slow` says whether the run's slow clock has its own AdamW.
        """
        sizes = [plan.flatten(tier, parameters).size for tier in range(len(plan.tiers))]
        state = self.state
        parts = [state.m, state.v, state.pending]
        parts += [state.slow_m, state.slow_v] if has_slow else []
        fits = _shapes(self.adapter) == _shapes(parameters) and has_slow == bool(state.slow_m)
        fits = fits and all([vector.size for vector in part] == sizes for part in parts)
        if not fits or self.progress.plan_digest != plan.digest():
            raise _unreadable(self.folder, "it belongs to another adapter or tier plan")


def _shapes(arrays: ArrayMap) -> dict[str, tuple[int, ...]]:
    return {path: array.shape for path, array in arrays.items()}


def last_checkpoint(run_dir: Path) -> Path:
    """The folder of the checkpoint with the highest step. Raises InputError if there is none.

    A copy under a later step's name is skipped. A checkpoint of another run is not, but
    `load_checkpoint` rejects it.
    """
    folders = checkpoint_folders(run_dir)
    others = foreign_checkpoints(run_dir, folders)
    folders = [f for f in folders if others.get(f, ANOTHER_RUNS) == ANOTHER_RUNS]
    if not folders:
        raise InputError(f"The run in {run_dir} has no checkpoint to resume from.")
    return folders[-1]


def named_checkpoint(run_dir: Path, name: str) -> Path:
    """The folder of the checkpoint `name`. Raises InputError that lists the existing ones."""
    folders = {folder.name: folder for folder in checkpoint_folders(run_dir)}
    if name not in folders:
        known = f"Its checkpoints are {', '.join(folders)}." if folders else "It has none."
        raise InputError(f"The run in {run_dir} has no checkpoint {name!r}.", known)
    return folders[name]


def set_later_aside(run_dir: Path, step: int) -> Path | None:
    """Move the checkpoints after `step`, with a copy of the metrics, to a new folder.

    A run that resumes from an earlier checkpoint loses nothing this way. Returns the folder, or
    None if there is no later checkpoint. Raises AppError.
    """
    later = [folder for folder in checkpoint_folders(run_dir) if checkpoint_step(folder) > step]
    if not later:
        return None
    aside = next(
        folder
        for number in itertools.count(1)
        if not (folder := run_dir / CHECKPOINTS / f"set-aside-{number}").exists()
    )
    with disk_errors_as_app_errors(aside):
        aside.mkdir(PRIVATE_FOLDER)
        for name in METRICS_FILES:
            if (run_dir / name).exists():
                drain(copy_regular_in_steps(run_dir / name, aside / name))
        for folder in later:
            folder.rename(aside / folder.name)
    return aside


def save_adapter(
    folder: Path,
    adapter: ArrayMap,
    adapter_config: JsonObject,
    stiffness: ArrayMap | None,
) -> None:
    """Write `folder` as an adapter that mlx-lm reads, with its stiffness. Raises AppError."""
    arrays = {ADAPTER_FILE: adapter} | ({STIFFNESS_FILE: stiffness} if stiffness else {})
    with atomic_folder(folder, (*ADAPTER_FILES, STIFFNESS_FILE)) as aside:
        write_json_atomic(aside / ADAPTER_CONFIG_FILE, adapter_config)
        _save_all(aside, arrays)


def save_checkpoint(
    folder: Path,
    adapter: ArrayMap,
    adapter_config: JsonObject,
    state: OptimizerState,
    stiffness: ArrayMap,
    progress: Progress,
) -> int:
    """Write `folder`, which must not exist; returns its size in bytes. Raises AppError."""
    with atomic_folder(folder, CHECKPOINT_FILES) as aside:
        write_json_atomic(aside / ADAPTER_CONFIG_FILE, adapter_config)
        arrays = {ADAPTER_FILE: adapter, OPTIMIZER_FILE: state.named(), STIFFNESS_FILE: stiffness}
        _save_all(aside, arrays)
        digests = {file.name: _digest(file) for file in sorted(aside.iterdir())}
        done = asdict(progress) | {"random_state": list(progress.random_state)}
        entries = {
            "format": FORMAT,
            "sha256": digests,
            "progress": done,
            "computed_by": asdict(current_computer()),
        }
        write_json_atomic(aside / STATE_FILE, entries | {"own_sha256": json_digest(entries)})
    return _size(folder)


def load_checkpoint(folder: Path) -> Checkpoint:
    """Load a checkpoint and verify every byte. Raises InputError that names a changed file."""
    with _plain_damage(folder):
        entries = _checked_state(folder)
        progress = entries["progress"]
        if checkpoint_step(folder) >= 0 and (
            other := foreign_checkpoints(folder.parent.parent, [folder])
        ):
            raise _unreadable(folder, f"it {describe_foreign(other[folder])}")
        adapter = load_arrays(folder / ADAPTER_FILE)
        state = _unflatten(load_arrays(folder / OPTIMIZER_FILE))
        mx.eval(adapter, state.tree())
        return Checkpoint(
            folder,
            _size(folder),
            adapter,
            state,
            Progress(**progress | {"random_state": tuple(progress["random_state"])}),
            read_environment(entries.get("computed_by")),
        )


def check_files(folder: Path, names: Collection[str]) -> None:
    """Raise InputError if one of these files of a checkpoint changed."""
    with _plain_damage(folder):
        _checked_state(folder, names)


def _checked_state(folder: Path, names: Collection[str] | None = None) -> JsonObject:
    """The contents of the checkpoint's state file. Checks the digests of the files in `names`, or
    of all files, and raises InputError if one differs."""
    values = read_state(folder)
    if values["format"] != FORMAT:
        raise _unreadable(folder, "it was made by another version of Nestling")
    if not is_intact(values):
        raise _unreadable(folder, f"{STATE_FILE} changed since it was written")
    digests = values["sha256"]
    for name in digests if names is None else names:
        if _digest(folder / name) != digests[name]:
            raise _unreadable(folder, f"{name} changed since it was written")
    return values


@contextmanager
def _plain_damage(folder: Path) -> Iterator[None]:
    """Turn errors from reading a damaged checkpoint into InputError."""
    try:
        yield
    except FileNotFoundError as error:
        raise _unreadable(folder, f"{Path(error.filename).name} is missing") from error
    except OSError as error:
        name = Path(error.filename or folder).name
        raise _unreadable(folder, f"{name} can't be read: {error.strerror or error}") from error
    except (ValueError, KeyError, TypeError, AttributeError, RuntimeError) as error:
        reason = f"{STATE_FILE} or its arrays are damaged ({error_text(error)})"
        raise _unreadable(folder, reason) from error


def _unreadable(folder: Path, reason: str) -> InputError:
    earlier = [other.name for other in checkpoint_folders(folder.parent.parent) if other < folder]
    hint = f"Resume from the one before it: {earlier[-1]}." if earlier else ""
    return InputError(f"The checkpoint {folder} can't be used: {reason}.", hint)


def _size(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.iterdir())


def _digest(path: Path) -> str:
    with open_regular(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _save_arrays(path: Path, arrays: ArrayMap) -> None:
    # Through a Python file, because then a full disk raises OSError.
    with create_file(path) as file:
        mx.save_safetensors(cast(BinaryIO, file), dict(arrays))


def _save_all(folder: Path, arrays: Mapping[str, ArrayMap]) -> None:
    """Write files by name and read them back. Raises VerificationError if they differ."""
    for name, content in arrays.items():
        _save_arrays(folder / name, content)
    for name, content in arrays.items():
        if not same_arrays(load_arrays(folder / name), content):
            raise VerificationError(f"The files saved in {folder} differ from the run.")


def read_arrays(folder: Path) -> tuple[Arrays, Arrays]:
    """The arrays of a checkpoint's files: the adapter's, and the optimizer's by kind and tier."""
    return load_arrays(folder / ADAPTER_FILE), load_arrays(folder / OPTIMIZER_FILE)


def same_arrays(left: ArrayMap, right: ArrayMap) -> bool:
    """Whether both have the same names and equal arrays; NaN equals NaN."""
    return left.keys() == right.keys() and all(
        mx.array_equal(left[name], array, equal_nan=True).item() for name, array in right.items()
    )


def _unflatten(flat: Arrays) -> OptimizerState:
    kinds = [f.name for f in fields(OptimizerState)]
    tiers = range(sum(name.startswith("m/") for name in flat))
    if not any(name.startswith("slow_") for name in flat):
        kinds = [kind for kind in kinds if not kind.startswith("slow_")]
    if len(flat) != len(kinds) * len(tiers):
        raise ValueError(f"{OPTIMIZER_FILE} holds {len(flat)} arrays")
    return OptimizerState(*([flat[f"{kind}/{tier}"] for tier in tiers] for kind in kinds))
