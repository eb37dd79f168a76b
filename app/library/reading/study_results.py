"""The runs of a study, their progress and their results.

Every run is an ordinary one, in its own folder below the study's.
"""

import json
import math
from dataclasses import dataclass, replace
from pathlib import Path

from app.core.config.study import Arm, Study, Task, load_study
from app.core.config.training_config import MixedDataset, TrainingConfig
from app.core.errors import AppError, InputError
from app.core.events import KNOWN_QUESTIONS
from app.core.files.atomic_files import write_text_atomic
from app.core.files.paths import home_dir, resources_dir
from app.core.files.untrusted_files import SHARED_FILE
from app.core.wording.display_names import question_set_name
from app.library.reading.run_details import read_details
from app.library.reading.study_heat_map_svg import as_svg
from app.library.reading.study_report import TaskSequence, by_arm, markdown, to_plain
from app.library.run.manifest import read_manifest

RESULTS, REPORT, PICTURE = "results.json", "report.md", "report.svg"


@dataclass(frozen=True)
class StudyRun:
    """One task of one arm with one seed."""

    arm: Arm
    seed: int
    number: int
    """The task's index, from 0."""
    folder: Path
    config: TrainingConfig

    def __str__(self) -> str:
        return f"{self.arm.name}, seed {self.seed}, task {self.number + 1}"


@dataclass(frozen=True)
class ReadStudy:
    """The current state of a study's file and folder."""

    path: Path
    study: Study
    folder: Path
    runs: tuple[StudyRun, ...]
    waiting: tuple[StudyRun, ...]
    """Those that are not done."""
    sequences: tuple[TaskSequence, ...]

    @property
    def is_begun(self) -> bool:
        """At least one of its runs is done."""
        return len(self.waiting) < len(self.runs)


def study_folder(path: Path) -> Path:
    """The folder of a study's runs: beside its file, or with the user's data if Nestling
    ships it."""
    if path.absolute().is_relative_to(resources_dir()):
        return home_dir() / "studies" / path.stem
    return path.absolute().with_suffix("")


def read_study(path: Path, folder: Path | None = None, model: Path | None = None) -> ReadStudy:
    """Read a study. Raises InputError, which names the problem."""
    study = load_study(path)
    if model is not None:
        arms = (replace(arm, config=replace(arm.config, model=model)) for arm in study.arms)
        study = replace(study, arms=tuple(arms))
    folder = folder or study_folder(path)
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder} is a file.", "Give another folder as --output.")
    runs = tuple(study_runs(study, folder))
    waiting = tuple(run for run in runs if not is_done(run))
    return ReadStudy(path, study, folder, runs, waiting, tuple(results(study, folder)))


def study_runs(study: Study, folder: Path) -> list[StudyRun]:
    """All runs, in an order in which each comes after the one it starts from: seed by seed, so
    that every arm has its first seed early."""
    return [
        _run(study, arm, seed, number, folder)
        for seed in study.seeds
        for arm in study.arms
        for number in range(len(study.tasks))
    ]


def is_done(run: StudyRun) -> bool:
    try:
        return bool(read_manifest(run.folder)["outcome"] == "finished")
    except (AppError, KeyError):
        return False


def results(study: Study, folder: Path) -> list[TaskSequence]:
    """The results of each arm and seed that have learned all tasks."""
    found = []
    for seed in study.seeds:
        for arm in study.arms:
            runs = [_run(study, arm, seed, n, folder) for n in range(len(study.tasks))]
            if all(map(is_done, runs)):
                found.append(_sequence(arm, seed, runs, study.tasks))
    order = [arm.name for arm in study.arms]
    return sorted(found, key=lambda one: order.index(one.arm))


def write_reports(study: ReadStudy) -> None:
    """Write the results so far into the study's folder; nothing if no arm is complete."""
    if study.sequences:
        text = json.dumps(to_plain(study.sequences), indent=1)
        write_text_atomic(study.folder / RESULTS, text, mode=SHARED_FILE)
        acquisition = study.study.acquisition
        report = markdown(study.sequences, acquisition, study.path.stem, PICTURE)
        write_text_atomic(study.folder / REPORT, report, mode=SHARED_FILE)
        picture = as_svg(by_arm(study.sequences, acquisition))
        write_text_atomic(study.folder / PICTURE, picture, mode=SHARED_FILE)


def seconds_left(elapsed: float, done: float, left: float) -> float | None:
    """The time for `left` runs, if `done` runs took `elapsed`; None if too few are done."""
    return elapsed / done * left if done >= 0.25 else None


def _run(study: Study, arm: Arm, seed: int, number: int, folder: Path) -> StudyRun:
    place = folder / f"arm-{study.arms.index(arm) + 1}" / f"seed-{seed}" / f"task-{number + 1}"
    task, earlier = study.tasks[number], study.tasks[:number]
    share = arm.rehearsal / len(earlier) if earlier else 0.0
    config = replace(
        arm.config,
        data=task.data,
        # The task's own set comes first, as a score to stop at refers to the first set.
        eval_sets=tuple(dict.fromkeys(one.questions for one in (task, *study.tasks))),
        mix=tuple(MixedDataset(one.data, share) for one in earlier) if share else (),
        seed=seed,
        output=place,
        name=f"{arm.name}, {task.name}",
    )
    return StudyRun(arm, seed, number, place, config)


def _sequence(arm: Arm, seed: int, runs: list[StudyRun], tasks: tuple[Task, ...]) -> TaskSequence:
    accuracy, steps = [], 0
    for run in runs:
        manifest = read_manifest(run.folder)
        after = {s["name"]: s for s in manifest["scores"] if s["when"] == "after"}
        steps += int(manifest["steps"])
        named = [question_set_name(task.questions) for task in tasks]
        accuracy.append(tuple(after[n]["correct"] / after[n]["total"] for n in named))
    retention = read_details(runs[-1].folder).retention
    kl = retention[-1].base_kl if retention else math.nan
    known = after.get(KNOWN_QUESTIONS)
    kept = known["correct"] / known["total"] if known else math.nan
    return TaskSequence(arm.name, seed, tuple(accuracy), kl, steps, kept)
