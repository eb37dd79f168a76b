"""Checkpoints: an adapter that mlx-lm loads unchanged, and the state to resume from.

A checkpoint folder is complete or absent: it is written aside, flushed to the disk and renamed.
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
    """How far a run had come. The data order needs no place here: seed and step decide it."""

    step: int = 0
    trained_tokens: int = 0
    void_steps: int = 0
    """Void steps in a row, up to here."""
    void_steps_in_all: int = 0
    best_val_loss: float | None = None
    best_step: int | None = None
    """The step of that validation; 0 is the base model, of which there is no checkpoint."""
    evals_since_best: int = 0
    random_state: tuple[int, int] = (0, 0)
    """MLX's random key on the training thread."""
    metrics_bytes: int = 0
    """Length of the steps file when the checkpoint was made."""
    plan_digest: str = ""
    """Of the tier plan, which decides what each number of the optimizer's state belongs to."""
    settings_digest: str = ""
    """Of what decides the run's numbers, as its manifest has it; older checkpoints have none."""
    run: str = ""
    """The run's identity; older checkpoints have none."""
    is_validation_due: bool = False
    """The validation after this step was cut off: a resumed run makes it first."""
    best_forgetting: float = 0.0
    """What counted beside the best validation's loss."""
    interpolated: float | None = None
    """The adapter's share of the way from its start, where the run's end brought it back."""
    base_kl: float | None = None
    """As it was measured last; None where no step was."""


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint read back; its arrays are evaluated."""

    folder: Path
    size_bytes: int
    adapter: Arrays
    state: OptimizerState
    progress: Progress
    computed_by: ComputeEnvironment | None = None
    """Older checkpoints don't say."""

    def check_fits(self, parameters: ArrayMap, plan: TierPlan, *, has_slow: bool = False) -> None:
        """Raise InputError unless this belongs to an adapter with `parameters` and to `plan`;
        `has_slow`: and to a run whose slow clock has an AdamW of its own."""
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

    A copy of one under a later step's name is none; another run's is refused when it is loaded.
    """
    folders = checkpoint_folders(run_dir)
    others = foreign_checkpoints(run_dir, folders)
    folders = [f for f in folders if others.get(f, ANOTHER_RUNS) == ANOTHER_RUNS]
    if not folders:
        raise InputError(f"The run in {run_dir} has no checkpoint to resume from.")
    return folders[-1]


def named_checkpoint(run_dir: Path, name: str) -> Path:
    """The folder of the checkpoint `name`. Raises InputError that lists those there are."""
    folders = {folder.name: folder for folder in checkpoint_folders(run_dir)}
    if name not in folders:
        known = f"Its checkpoints are {', '.join(folders)}." if folders else "It has none."
        raise InputError(f"The run in {run_dir} has no checkpoint {name!r}.", known)
    return folders[name]


def set_later_aside(run_dir: Path, step: int) -> Path | None:
    """Move those after `step` to a folder of their own, if there are any: nothing is lost when a
    run resumes from an earlier one and makes them again. Returns that folder."""
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
    """Write `folder` as mlx-lm reads an adapter, its stiffness beside it. Raises AppError."""
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
    """Verify every byte of a checkpoint. Raises InputError, which names a changed file."""
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
    """Raise InputError unless these files of a checkpoint are the ones written."""
    with _plain_damage(folder):
        _checked_state(folder, names)


def _checked_state(folder: Path, names: Collection[str] | None = None) -> JsonObject:
    """What the checkpoint's state file says, once all files, or those of `names`, are as it has
    them."""
    values = read_state(folder)
    if values["format"] != FORMAT:
        raise _unreadable(folder, "it was made by another version of Nestling")
    if not is_intact(values):
        raise _unreadable(folder, f"{STATE_FILE} is not as it was written")
    digests = values["sha256"]
    for name in digests if names is None else names:
        if _digest(folder / name) != digests[name]:
            raise _unreadable(folder, f"{name} is not as it was written")
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
    # Through a Python file, because a full disk then says so as an OSError.
    with create_file(path) as file:
        mx.save_safetensors(cast(BinaryIO, file), dict(arrays))


def _save_all(folder: Path, arrays: Mapping[str, ArrayMap]) -> None:
    """Write files by name, and read them back. Raises VerificationError where they differ."""
    for name, content in arrays.items():
        _save_arrays(folder / name, content)
    for name, content in arrays.items():
        if not same_arrays(load_arrays(folder / name), content):
            raise VerificationError(f"The files saved in {folder} differ from the run.")


def read_arrays(folder: Path) -> tuple[Arrays, Arrays]:
    """The adapter and the optimizer's state as they stand in a checkpoint's files."""
    return load_arrays(folder / ADAPTER_FILE), load_arrays(folder / OPTIMIZER_FILE)


def same_arrays(found: ArrayMap, arrays: ArrayMap) -> bool:
    """Whether the arrays have the same names and are equal bit for bit."""
    return found.keys() == arrays.keys() and all(
        mx.array_equal(found[name], array, equal_nan=True).item() for name, array in arrays.items()
    )


def _unflatten(flat: Arrays) -> OptimizerState:
    kinds = [f.name for f in fields(OptimizerState)]
    tiers = range(sum(name.startswith("m/") for name in flat))
    if not any(name.startswith("slow_") for name in flat):
        kinds = [kind for kind in kinds if not kind.startswith("slow_")]
    if len(flat) != len(kinds) * len(tiers):
        raise ValueError(f"{OPTIMIZER_FILE} holds {len(flat)} arrays")
    return OptimizerState(*([flat[f"{kind}/{tier}"] for tier in tiers] for kind in kinds))
