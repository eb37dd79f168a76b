"""Trains a run of a sequential study: each task from the adapter of the one before it."""

from collections.abc import Callable, Iterator
from dataclasses import replace

from app.core.errors import RunError
from app.core.events import Event, RunFinished
from app.core.files.folders import remove_folder
from app.engine.training.checkpoints import last_checkpoint
from app.engine.training.trainer import resume, train
from app.library.reading.checkpoint_retention import own_checkpoints
from app.library.reading.study_results import StudyRun, is_done
from app.library.run.layout import CHECKPOINTS, MANIFEST_FILE, RUN_FILES


def make_run(run: StudyRun, should_stop: Callable[[], bool]) -> Iterator[Event]:
    """Train `run` or resume it; does nothing if it is finished. Raises AppError if it fails."""
    if is_done(run):
        return
    config = run.config
    if run.number:
        before = run.folder.parent / f"task-{run.number}"
        config = replace(config, adapter=last_checkpoint(before))
    is_begun = (run.folder / MANIFEST_FILE).exists()
    if is_begun and not own_checkpoints(run.folder):  # interrupted before its first checkpoint
        remove_folder(run.folder, (*RUN_FILES, CHECKPOINTS))
        is_begun = False
    events = (
        resume(run.folder, should_stop=should_stop)
        if is_begun
        else train(config, should_stop=should_stop)
    )
    for event in events:
        yield event
        if isinstance(event, RunFinished) and event.outcome == "failed":
            raise RunError(f"{run}: {event.message}")
