"""Records a run on disk: writes its events and checkpoints, and deletes surplus checkpoints."""

from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from app.core.base_model import MANIFEST_KEY
from app.core.config.evaluation import CheckpointRetention
from app.core.errors import AppError
from app.core.events import CheckpointSaved, Event, RunStarted, StepFinished
from app.core.files.folders import remove_folder, vacate_folder
from app.engine.model.base_model_digests import WeightsHashing
from app.engine.runtime.named_arrays import ArrayMap, JsonObject
from app.engine.tiers.optimizer import OptimizerState
from app.engine.training.checkpoints import Checkpoint, Progress, save_adapter, save_checkpoint
from app.library.reading.checkpoint_retention import prunable_checkpoints
from app.library.run.layout import CHECKPOINT_FILES, START, checkpoint_folder
from app.library.run.recorder import RunRecorder


class RunRecording:
    """Writes a run's folder. Raises AppError if the disk can't be written.

    Without a recorder nothing is written: in a distributed run, only the first machine records.
    """

    def __init__(
        self,
        run_dir: Path,
        recorder: RunRecorder | None = None,
        retention: CheckpointRetention = "all",
        start: Checkpoint | None = None,
        hashing: WeightsHashing | None = None,
        origin: ArrayMap | None = None,
        stiffness: ArrayMap | None = None,
    ) -> None:
        """`hashing` completes the hash of the base model's weights; it starts with the run and is
        polled after each step. `origin` and `stiffness`, of a run that starts from an adapter, are
        saved with the first checkpoint."""
        self.run_dir = run_dir
        self.saved_step = start.progress.step if start else 0
        """The step of the last checkpoint; 0 before the first."""
        self.adapter_dir: Path | None = start.folder if start else None
        """The last checkpoint's folder."""
        self._recorder = recorder
        self._retention = retention
        self._hashing = hashing
        self._origin, self._stiffness = origin, stiffness

    @property
    def name(self) -> str:
        """The run's name in the library; "" if it is not recorded."""
        return self._recorder.name if self._recorder is not None else ""

    def record(self, event: Event) -> None:
        if self._recorder is None:
            return
        self._recorder.record(event)
        if isinstance(event, RunStarted) and self._hashing is not None:
            self._hashing.start()
        if isinstance(event, StepFinished) and self._hashing is not None and self._hashing.is_over:
            self._keep_digests(self._hashing)

    def _keep_digests(self, hashing: WeightsHashing) -> None:
        """Save the digests of the whole weights. Raises RunError if the weights have changed."""
        self._hashing = None
        if digests := hashing.result():
            self.keep(**{MANIFEST_KEY: digests.data()})
        else:
            self.log(f"The base model's weights were not hashed completely. {hashing.problem}")

    def log(self, text: str) -> None:
        if self._recorder is not None:
            self._recorder.log(text)

    def keep(self, **facts: object) -> None:
        """Write `facts` to the run's manifest."""
        if self._recorder is not None:
            self._recorder.keep(**facts)

    def save(
        self,
        adapter: ArrayMap,
        adapter_config: JsonObject,
        state: OptimizerState,
        stiffness: ArrayMap,
        progress: Progress,
    ) -> CheckpointSaved:
        """Save a checkpoint; it replaces an existing one of the same step."""
        folder, size = checkpoint_folder(self.run_dir, progress.step), 0
        if self._recorder is not None:
            progress = replace(
                progress,
                metrics_bytes=self._recorder.synced_metrics_bytes(),
                settings_digest=self._recorder.settings_digest,
                run=self._recorder.identity,
            )
            if self._origin is not None:
                save_adapter(self.run_dir / START, self._origin, adapter_config, self._stiffness)
                self._origin = None
            if folder.exists():
                vacate_folder(folder, CHECKPOINT_FILES)
            size = save_checkpoint(folder, adapter, adapter_config, state, stiffness, progress)
        self.saved_step, self.adapter_dir = progress.step, folder
        return CheckpointSaved(progress.step, folder, size, progress.best_step == progress.step)

    def prune_checkpoints(self) -> None:
        """Delete surplus checkpoints; call it once the manifest names the new checkpoint.

        The best checkpoint stays, even if no loss was below the base model's. So does one that may
        be the best.
        """
        if self._recorder is not None and self._retention == "best-and-last":
            for folder in prunable_checkpoints(self.run_dir):
                remove_folder(folder, CHECKPOINT_FILES)

    def close(self, ending: Event) -> None:
        if self._recorder is None:
            return
        with suppress(AppError):
            if self._hashing is not None:
                self._hashing.stop()
                self._keep_digests(self._hashing)
        # If the disk failed, the ending already says so.
        with suppress(AppError):
            self._recorder.record(ending)
        with suppress(AppError):
            self._recorder.close()

    def discard(self) -> None:
        """Remove the folder of a run that made no step."""
        with suppress(AppError):
            if self._recorder is not None:
                self._recorder.discard()
