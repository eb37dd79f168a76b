"""Records a run on disk: its events, its checkpoints, and which of them are kept."""

import contextlib
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from app.core.base_model import MANIFEST_KEY
from app.core.config.evaluation import CheckpointRetention
from app.core.errors import AppError
from app.core.events import CheckpointSaved, Event, RunStarted, StepFinished
from app.core.files.folders import remove_folder
from app.engine.model.base_model_digests import WeightsHashing
from app.engine.runtime.named_arrays import ArrayMap, JsonObject
from app.engine.tiers.optimizer import OptimizerState
from app.engine.training.checkpoints import Checkpoint, Progress, save_adapter, save_checkpoint
from app.library.reading.checkpoint_retention import prunable_checkpoints
from app.library.run.layout import CHECKPOINT_FILES, START, checkpoint_folder
from app.library.run.recorder import RunRecorder


class RunSink(Protocol):
    """Where the loop puts what must outlast it."""

    run_dir: Path
    saved_step: int
    """Of the last checkpoint; 0 before there is one."""
    adapter_dir: Path | None
    """The last checkpoint's folder."""

    def record(self, event: Event) -> None: ...

    def log(self, text: str) -> None: ...

    def keep(self, **facts: object) -> None: ...

    def save(
        self,
        adapter: ArrayMap,
        adapter_config: JsonObject,
        state: OptimizerState,
        stiffness: ArrayMap,
        progress: Progress,
    ) -> CheckpointSaved: ...

    def prune_checkpoints(self) -> None: ...

    def close(self, ending: Event) -> None: ...

    def discard(self) -> None: ...


class RecordingSink:
    """Keeps everything in the run's folder. Raises AppError when the disk refuses."""

    def __init__(
        self,
        recorder: RunRecorder,
        keep: CheckpointRetention,
        start: Checkpoint | None = None,
        hashing: WeightsHashing | None = None,
        origin: ArrayMap | None = None,
        stiffness: ArrayMap | None = None,
    ) -> None:
        """`hashing`, where the base model's weights are not hashed whole yet, begins with the run
        and is looked at after each step. `origin`, the weights of a run that starts from an
        adapter, is kept with the first checkpoint, with their `stiffness`."""
        self._origin, self._stiffness = origin, stiffness
        self._hashing = hashing
        self.run_dir = recorder.run_dir
        self._recorder = recorder
        self._keep = keep
        self.saved_step = start.progress.step if start else 0
        self.adapter_dir = start.folder if start else None

    def record(self, event: Event) -> None:
        self._recorder.record(event)
        if isinstance(event, RunStarted) and self._hashing is not None:
            self._hashing.start()
        if isinstance(event, StepFinished) and self._hashing is not None and self._hashing.is_over:
            self._keep_digests(self._hashing)

    def _keep_digests(self, hashing: WeightsHashing) -> None:
        """Raises RunError if the weights are not those the run began with."""
        self._hashing = None
        if digests := hashing.result():
            self._recorder.keep(**{MANIFEST_KEY: digests.data()})
        else:
            self._recorder.log(f"The base model's weights were not hashed whole. {hashing.problem}")

    def log(self, text: str) -> None:
        self._recorder.log(text)

    def keep(self, **facts: object) -> None:
        """In the run's manifest."""
        self._recorder.keep(**facts)

    def save(
        self,
        adapter: ArrayMap,
        adapter_config: JsonObject,
        state: OptimizerState,
        stiffness: ArrayMap,
        progress: Progress,
    ) -> CheckpointSaved:
        """A new checkpoint, complete on the disk."""
        folder = checkpoint_folder(self.run_dir, progress.step)
        progress = replace(
            progress,
            metrics_bytes=self._recorder.synced_metrics_bytes(),
            settings_digest=self._recorder.settings_digest,
            run=self._recorder.identity,
        )
        if self._origin is not None:
            save_adapter(self.run_dir / START, self._origin, adapter_config, self._stiffness)
            self._origin = None
        size = save_checkpoint(folder, adapter, adapter_config, state, stiffness, progress)
        self.saved_step, self.adapter_dir = progress.step, folder
        is_best = progress.best_step == progress.step
        return CheckpointSaved(progress.step, folder, size, is_best)

    def prune_checkpoints(self) -> None:
        """Once the new checkpoint is complete and the manifest names it, not before.

        The best is the best checkpoint, also where none came below the base model. One stays where
        it is not certain that it is not the best.
        """
        if self._keep == "best-and-last":
            for folder in prunable_checkpoints(self.run_dir):
                remove_folder(folder, CHECKPOINT_FILES)

    def close(self, ending: Event) -> None:
        with contextlib.suppress(AppError):
            if self._hashing is not None:
                self._hashing.stop()
                self._keep_digests(self._hashing)
        # If the disk is what failed, the ending says so already.
        with contextlib.suppress(AppError):
            self._recorder.record(ending)
        with contextlib.suppress(AppError):
            self._recorder.close()

    def discard(self) -> None:
        """Leave nothing of a run that made no step."""
        with contextlib.suppress(AppError):
            self._recorder.discard()


class NullSink:
    """Of a machine that trains along: the first one keeps what is to be kept."""

    def __init__(self, run_dir: Path, start: Checkpoint | None = None) -> None:
        self.run_dir = run_dir
        self.saved_step = start.progress.step if start else 0
        self.adapter_dir: Path | None = start.folder if start else None

    def record(self, event: Event) -> None:
        pass

    def log(self, text: str) -> None:
        pass

    def keep(self, **facts: object) -> None:
        pass

    def save(
        self,
        adapter: ArrayMap,  # noqa: ARG002
        adapter_config: JsonObject,  # noqa: ARG002
        state: OptimizerState,  # noqa: ARG002
        stiffness: ArrayMap,  # noqa: ARG002
        progress: Progress,
    ) -> CheckpointSaved:
        self.saved_step = progress.step
        self.adapter_dir = checkpoint_folder(self.run_dir, progress.step)
        return CheckpointSaved(progress.step, self.adapter_dir, 0)

    def prune_checkpoints(self) -> None:
        pass

    def close(self, ending: Event) -> None:
        pass

    def discard(self) -> None:
        pass
