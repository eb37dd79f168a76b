"""Runs a sequential study: each arm learns the tasks in turn, each run from the one before it.

Every run is an ordinary one, in a folder of its own; what is done is not done again.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from app.core.config.study import Arm, Study, Task
from app.core.config.training_config import MixedDataset, TrainingConfig
from app.core.errors import AppError, RunError
from app.core.events import KNOWN_QUESTIONS, Event, RunFinished
from app.engine.training.checkpoints import last_checkpoint
from app.engine.training.trainer import resume, train
from app.library.reading.run_details import read_details
from app.library.reading.study_report import TaskSequence
from app.library.run.layout import MANIFEST_FILE
from app.library.run.manifest import read_manifest


@dataclass(frozen=True)
class StudyRun:
    """One task of one arm with one seed."""

    arm: Arm
    seed: int
    number: int
    """Of the task, from 0."""
    folder: Path
    config: TrainingConfig

    def __str__(self) -> str:
        return f"{self.arm.name}, seed {self.seed}, task {self.number + 1}"


def study_runs(study: Study, folder: Path) -> list[StudyRun]:
    """All runs, in an order in which each comes after the one it starts from: seed by seed, so
    that every arm has its first seed early."""
    return [
        _run(study, arm, seed, number, folder)
        for seed in study.seeds
        for arm in study.arms
        for number in range(len(study.tasks))
    ]


def make_run(run: StudyRun, should_stop: Callable[[], bool]) -> Iterator[Event]:
    """Train one, or the rest of it; nothing where it is done. Raises AppError where it fails."""
    if is_done(run):
        return
    config = run.config
    if run.number:
        before = run.folder.parent / f"task-{run.number}"
        config = replace(config, adapter=last_checkpoint(before))
    is_begun = (run.folder / MANIFEST_FILE).exists()
    events = (
        resume(run.folder, should_stop=should_stop)
        if is_begun
        else train(config, should_stop=should_stop)
    )
    for event in events:
        yield event
        if isinstance(event, RunFinished) and event.outcome == "failed":
            raise RunError(f"{run}: {event.message}")


def is_done(run: StudyRun) -> bool:
    try:
        return bool(read_manifest(run.folder)["outcome"] == "finished")
    except (AppError, KeyError):
        return False


def results(study: Study, folder: Path) -> list[TaskSequence]:
    """Of each arm and seed whose tasks are all learned."""
    found = []
    for seed in study.seeds:
        for arm in study.arms:
            runs = [_run(study, arm, seed, n, folder) for n in range(len(study.tasks))]
            if all(map(is_done, runs)):
                found.append(_sequence(arm, seed, runs, study.tasks))
    order = [arm.name for arm in study.arms]
    return sorted(found, key=lambda one: order.index(one.arm))


def _run(study: Study, arm: Arm, seed: int, number: int, folder: Path) -> StudyRun:
    place = folder / f"arm-{study.arms.index(arm) + 1}" / f"seed-{seed}" / f"task-{number + 1}"
    task, earlier = study.tasks[number], study.tasks[:number]
    share = arm.rehearsal / len(earlier) if earlier else 0.0
    config = replace(
        arm.config,
        data=task.data,
        # The task's own come first: a score to stop at is one of them.
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
        named = [task.questions.stem.replace("_", " ") for task in tasks]
        accuracy.append(tuple(after[n]["correct"] / after[n]["total"] for n in named))
    retention = read_details(runs[-1].folder).retention
    kl = retention[-1].base_kl if retention else math.nan
    known = after.get(KNOWN_QUESTIONS)
    kept = known["correct"] / known["total"] if known else math.nan
    return TaskSequence(arm.name, seed, tuple(accuracy), kl, steps, kept)
