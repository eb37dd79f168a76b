"""Reads, labels and exports runs of the library, and reads files that the user opens."""

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

from app.core.base_model import UNKNOWN
from app.core.column_mapping import ColumnMapping
from app.core.config.serialization import current_names, load_toml, to_toml
from app.core.config.training_config import TrainingConfig
from app.core.errors import AppError, InputError
from app.core.events import KNOWN_QUESTIONS
from app.core.files.atomic_files import write_bytes_atomic, write_text_atomic
from app.core.files.paths import shipped
from app.core.files.untrusted_files import SHARED_FILE
from app.core.text.sanitize import single_line
from app.core.text.translation import tr
from app.core.wording.results import answers_by_set, question_set_title, set_title
from app.data.files.dataset_files import find_files
from app.data.files.model_files import check_base_model
from app.data.inspection.question_answers import Questions, known_questions, set_questions
from app.data.inspection.row_previews import sample_prompts
from app.library import column_mapping_store
from app.library.queue_store import read_queue, write_queue
from app.library.reading.checkpoints import CheckpointChoices, read_choices
from app.library.reading.metrics_csv import export_csv
from app.library.reading.run_details import RunDetails, read_details, settings_toml
from app.library.reading.run_store import export_checkpoint_in_steps, list_runs
from app.library.reading.study_report import markdown
from app.library.reading.study_results import ReadStudy, read_study, write_reports
from app.library.run.label import RunLabel, write_label
from app.library.run.manifest import read_manifest, read_scores
from app.library.run_history import last_throughput
from app.models.fusing import fuse_command
from app.models.model_folder import check_model_folder

__all__ = ["last_throughput", "list_runs", "read_queue", "read_study", "write_queue"]

MAX_NAME = 40
"""The most characters of a run's name in a file name."""


def label_run(run_dir: Path, name: str, notes: str) -> None:
    write_label(run_dir, RunLabel(name, notes))


@dataclass(frozen=True)
class Exported:
    folder: Path
    note: str
    """A note if the base model changed, or the run's base model is unknown; else ""."""
    fuse_command: str
    """The command that fuses the adapter into the base model; "" if the base model is missing."""


def export_adapter(adapter_dir: Path, folder: Path, name: str) -> Generator[float, None, Exported]:
    """Copy a checkpoint to `folder`/`name`-adapter, with a number if that exists; yields the share
    done. Raises AppError."""
    copy = yield from export_checkpoint_in_steps(
        adapter_dir, unused_path(folder, f"{name}-adapter")
    )
    try:
        manifest = read_manifest(adapter_dir.parent.parent)
    except AppError:  # an adapter outside the library
        return Exported(copy, UNKNOWN, "")
    model = manifest["config"].get("model")
    check = check_base_model(model, manifest)
    # The copy is valid even if the base model is missing.
    if check.state == "missing":
        return Exported(copy, "", "")
    # The fused model gets the same number as the copy.
    fused = unused_path(folder, f"{name}-fused{copy.name.removeprefix(f'{name}-adapter')}")
    return Exported(copy, check.message, fuse_command(shipped(Path(model)), copy, fused))


def unused_path(folder: Path, name: str, suffix: str = "") -> Path:
    """The path of `name` in `folder`, with a number appended if it exists.

    Raises AppError if `folder` can't be read.
    """
    stem = name.replace("/", "-").replace(":", "-")
    try:
        names = (f"{stem}-{number}" if number > 1 else stem for number in count(1))
        return next(path for n in names if not (path := folder / f"{n}{suffix}").exists())
    except OSError as error:
        reason = (error.strerror or str(error)).rstrip(".")
        raise AppError(f"Nothing can be exported into {folder}: {reason}.") from error


def save_file(path: Path, content: bytes) -> None:
    write_bytes_atomic(path, content, mode=SHARED_FILE)


def save_settings(details: RunDetails, path: Path) -> None:
    """Save a run's settings for `nestling train --config`, including unknown settings."""
    write_text_atomic(path, settings_toml(details), mode=SHARED_FILE)


def save_plan(config: TrainingConfig, path: Path) -> None:
    """Save settings for `nestling train --config`."""
    write_text_atomic(path, to_toml(config.located()), mode=SHARED_FILE)


def save_csv(run_dir: Path, path: Path) -> None:
    export_csv(read_details(run_dir), path)


def save_numbered_csvs(run_dirs: Sequence[Path], path: Path) -> Generator[float, None, int]:
    """Save each run's metrics beside `path`, named by number and run; replaces no other file.

    Yields the share done, 0 to 1; returns the number of tables. Raises AppError.
    """
    for number, run_dir in enumerate(run_dirs, 1):
        details = read_details(run_dir)
        name = f"{path.stem} {number} {single_line(details.summary.name, MAX_NAME)}"
        export_csv(details, unused_path(path.parent, name, path.suffix))
        yield number / len(run_dirs)
    return len(run_dirs)


def remember_columns(data: Path, columns: ColumnMapping | None) -> None:
    """Remember a dataset's column mapping, or forget it if None."""
    column_mapping_store.remember_columns(find_files(data).train, columns)


def read_settings(path: Path) -> TrainingConfig:
    """The settings of a TOML file. Raises InputError if they can't be read or are invalid."""
    return load_toml(path).checked().located()


def check_model(folder: Path) -> Path:
    """The folder, if it contains a model that can be trained. Raises InputError otherwise."""
    if any(folder.glob("*.gguf")) and not any(folder.glob("*.safetensors")):
        raise InputError(
            f"{folder.name} contains a GGUF model, which MLX can't train.",
            "Choose the same model in MLX format: config.json and model*.safetensors.",
        )
    check_model_folder(folder)
    return folder


@dataclass(frozen=True)
class RunChoices:
    """A run's checkpoints, sample prompts from its validation file, and its questions."""

    choices: CheckpointChoices
    starters: tuple[str, ...]
    is_model_there: bool
    """Whether the base model's folder still exists."""
    questions: dict[str, Questions]
    """Name → questions: forgotten ones, ones not learned, and each question set."""


def read_run_choices(run_dir: Path) -> RunChoices:
    """The choices for a run. Raises InputError if the run can't be read."""
    choices = read_choices(run_dir)
    starters, is_model_there = sample_prompts(choices.settings), choices.model.is_dir()
    return RunChoices(choices, starters, is_model_there, _questions(run_dir, choices.settings))


def _questions(run_dir: Path, settings: Mapping[str, Any]) -> dict[str, Questions]:
    answers = answers_by_set(read_scores(read_manifest(run_dir)))
    by_name: dict[str, Questions] = {}
    for wrong in (wrong for one in answers for wrong in one.wrong_questions):
        if not wrong.question.endswith("…"):  # skips questions that were recorded shortened
            by_name.setdefault(tr(wrong.kind), {})[wrong.question] = wrong.expected
    sets = current_names(dict(settings)).get("eval_sets")
    for path in [*(sets if isinstance(sets, list) else ()), settings.get("retention_set")]:
        if isinstance(path, str) and path:
            title = question_set_title(Path(path))
            by_name[title] = set_questions(shipped(Path(path)))
    if any(one.name == KNOWN_QUESTIONS for one in answers):
        by_name[set_title(KNOWN_QUESTIONS)] = known_questions()
    return {name: questions for name, questions in by_name.items() if questions}


def renewed_study(path: Path) -> ReadStudy:
    """Read a study after one of its runs, and update its reports."""
    study = read_study(path)
    write_reports(study)
    return study


def save_study_report(study: ReadStudy, path: Path) -> None:
    text = markdown(study.sequences, study.study.acquisition, study.path.stem)
    write_text_atomic(path, text, mode=SHARED_FILE)
