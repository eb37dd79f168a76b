"""Reopens a run's folder at a checkpoint, with the first messages for its log."""

from collections.abc import Mapping
from pathlib import Path

from app.core.base_model import BaseModelDigests
from app.core.events import LogMessage
from app.core.system.compute_environment import ComputeEnvironment
from app.data.files.model_files import ModelFiles
from app.engine.model.base_model_digests import WeightsHashing
from app.engine.runtime.mlx_runtime import current_computer
from app.engine.training.checkpoints import Checkpoint, set_later_aside
from app.library.run.layout import checkpoint_folder
from app.library.run.recorder import RunRecorder


def reopened_run(
    run_dir: Path, start: Checkpoint, facts: Mapping[str, object]
) -> tuple[RunRecorder, list[LogMessage]]:
    """The run's recorder, set back to `start`, and the first messages."""
    done = start.progress
    aside = set_later_aside(run_dir, done.step)
    best = checkpoint_folder(run_dir, done.best_step) if done.best_step else None
    computer = current_computer()
    recorder = RunRecorder.reopen(
        run_dir, done.metrics_bytes, done.best_val_loss, best, done.step, computer, facts,
        done.is_validation_due,
    )  # fmt: skip
    notes = [LogMessage(f"Resuming after step {done.step}.")]
    if aside is not None:
        notes.append(LogMessage(f"What came after it is kept in {aside.name} and made again."))
    return recorder, notes + _computer_notes(start, computer) + recorder_warnings(recorder)


def weights_hashing(
    files: ModelFiles, digests: BaseModelDigests, kept: BaseModelDigests, start: Checkpoint
) -> WeightsHashing | None:
    if digests.is_whole:
        return None
    advice = f"Then resume from {start.folder.name}."
    return WeightsHashing(files, kept, start.progress.step, advice)


def _computer_notes(start: Checkpoint, computer: ComputeEnvironment) -> list[LogMessage]:
    """That what follows is not bit-equal to a run that never stopped, if something else computes
    it: the losses differ in their last digits, which is no reason to refuse."""
    step, before = start.progress.step, start.computed_by
    if before == computer:
        return []
    if before is None:
        return [
            LogMessage(
                f"It is not known what computed this run up to step {step}, so what follows may "
                "not be bit-equal to a run that never stopped."
            )
        ]
    return [
        LogMessage(
            f"The run resumes, but not bit-equal to one that never stopped: up to step {step} it "
            f"was computed by {before}, from here on by {computer}.",
            is_warning=True,
        )
    ]


def recorder_warnings(recorder: RunRecorder) -> list[LogMessage]:
    return [LogMessage(recorder.warning, is_warning=True)] if recorder.warning else []
