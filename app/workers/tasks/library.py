"""Reading and keeping what is in the library, as plain functions for the background thread."""

from collections.abc import Callable, Generator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from app.core.config.serialization import load_toml, to_toml
from app.core.config.training_config import TrainingConfig
from app.core.errors import AppError, InputError
from app.core.files.atomic_files import write_bytes_atomic, write_text_atomic
from app.core.files.untrusted_files import SHARED_FILE
from app.core.text.sanitize import single_line

if TYPE_CHECKING:
    from app.core.base_model import BaseModelCheck
    from app.core.column_mapping import ColumnMapping
    from app.library.queue_store import SavedQueue
    from app.library.reading.run_details import RunDetails
    from app.library.reading.run_summary import RunSummary
    from app.library.run_history import LastThroughput

MOST_NAME = 40
"""Characters of a run's name in that of a file."""


def listing(runs_dir: Path) -> Callable[[], "list[RunSummary]"]:
    """The runs in the library, the newest first."""

    def work() -> "list[RunSummary]":
        from app.library.reading.run_store import list_runs

        return list_runs(runs_dir)

    return work


def labelling(run_dir: Path, name: str, notes: str) -> Callable[[], None]:
    """Writes down what the user calls a run, and notes about it."""

    def work() -> None:
        from app.library.run.label import RunLabel, write_label

        write_label(run_dir, RunLabel(name, notes))

    return work


@dataclass(frozen=True)
class Exported:
    folder: Path
    note: str
    """What the user should know of the base model; empty where it is the run's own."""


def exporting(
    adapter_dir: Path, folder: Path, name: str
) -> Callable[[], Generator[float, None, Exported]]:
    """Copies a checkpoint into a new folder called `name`, or nearly so, in one the user chose;
    yields the share done."""

    def work() -> Generator[float, None, Exported]:
        from app.library.reading.run_store import export_checkpoint_in_steps

        made = yield from export_checkpoint_in_steps(adapter_dir, free_name(folder, name))
        check = _check_of_run(adapter_dir.parent.parent)
        # That the base model is away is no matter of the copy.
        return Exported(made, "" if check.state == "missing" else check.message)

    return work


def _check_of_run(run_dir: Path) -> "BaseModelCheck":
    from app.core.base_model import UNKNOWN, BaseModelCheck
    from app.data.files.model_files import check_base_model
    from app.library.run.manifest import read_manifest

    try:
        manifest = read_manifest(run_dir)
    except AppError:  # an adapter that lies elsewhere
        return BaseModelCheck("unknown", UNKNOWN)
    return check_base_model(manifest["config"].get("model"), manifest)


def free_name(folder: Path, name: str) -> Path:
    """`name` in `folder`, with a number behind it if there is something of that name already.

    Raises AppError if `folder` can't be looked into.
    """
    tidy = name.replace("/", "-").replace(":", "-")
    path, number = folder / tidy, 2
    try:
        while path.exists():
            path, number = folder / f"{tidy} {number}", number + 1
    except OSError as error:
        reason = (error.strerror or str(error)).rstrip(".")
        raise AppError(f"Nothing can be exported into {folder}: {reason}.") from error
    return path


def saving(content: bytes, path: Path) -> Callable[[], None]:
    """Writes a file whole or not at all."""
    return lambda: write_bytes_atomic(path, content, mode=SHARED_FILE)


def saving_settings(details: "RunDetails", path: Path) -> Callable[[], None]:
    """Writes a run's settings as `nestling train --config` takes them, or as they stand in its
    manifest if this Nestling does not understand them."""

    def work() -> None:
        from app.library.reading.run_details import settings_toml

        write_text_atomic(path, settings_toml(details), mode=SHARED_FILE)

    return work


def saving_plan(config: TrainingConfig, path: Path) -> Callable[[], None]:
    """Writes settings as `nestling train --config` takes them."""
    return lambda: write_text_atomic(path, to_toml(config.located()), mode=SHARED_FILE)


def saving_csv(run_dir: Path, path: Path) -> Callable[[], object]:
    """Writes a run's measurements as a table."""

    def work() -> object:
        from app.library.reading.csv_export import export_csv
        from app.library.reading.run_details import read_details

        return export_csv(read_details(run_dir), path)

    return work


def looking_up_speed(runs_dir: Path, model: Path) -> Callable[[], "LastThroughput | None"]:
    """How fast the last run on this model was."""

    def work() -> "LastThroughput | None":
        from app.library.run_history import last_throughput

        return last_throughput(runs_dir, model)

    return work


def remembering_columns(data: Path, columns: "ColumnMapping | None") -> Callable[[], None]:
    """Keeps which columns the user mapped for a dataset, or forgets it with None."""

    def work() -> None:
        from app.data.files.dataset_files import find_files
        from app.library.column_mapping_store import remember_columns

        remember_columns(find_files(data).train, columns)

    return work


def saving_numbered_csv(run_dir: Path, path: Path, number: int) -> Callable[[], object]:
    """The same beside `path`, with `number` and the run's name in its own; another file of that
    name stays."""

    def work() -> object:
        from app.library.reading.csv_export import export_csv
        from app.library.reading.run_details import read_details

        details = read_details(run_dir)
        called = single_line(details.summary.name, MOST_NAME).replace("/", "-").replace(":", "-")
        stem, again = f"{path.stem} {number} {called}", 2
        place = path.with_name(f"{stem}{path.suffix}")
        while place.exists():
            place, again = path.with_name(f"{stem} {again}{path.suffix}"), again + 1
        return export_csv(details, place)

    return work


def reading_queue(path: Path) -> Callable[[], "SavedQueue"]:
    """The runs that wait."""

    def work() -> "SavedQueue":
        from app.library.queue_store import read_saved_queue

        return read_saved_queue(path)

    return work


def writing_queue(path: Path, queue: "SavedQueue") -> Callable[[], None]:
    def work() -> None:
        from app.library.queue_store import write_queue

        write_queue(path, queue.runs, auto_resume=queue.auto_resume, unfinished=queue.unfinished)

    return work


def reading_settings(path: Path) -> Callable[[], TrainingConfig]:
    """The settings of a TOML file; raises InputError if they can't be read or can't work."""
    return lambda: load_toml(path).checked().located()


def checking_model(folder: Path) -> Callable[[], Path]:
    """The folder if the engine takes it for a model; otherwise InputError says what lacks."""

    def work() -> Path:
        from app.models.model_folder import check_model_folder

        if any(folder.glob("*.gguf")) and not any(folder.glob("*.safetensors")):
            raise InputError(
                f"{folder.name} holds a GGUF model, which MLX can't train.",
                "Choose the same model in MLX format: config.json and model*.safetensors.",
            )
        check_model_folder(folder)
        return folder

    return work
