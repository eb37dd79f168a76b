"""A run's checkpoints, as choices for the playground.

Reads only small files, so that choosing a run is quick whatever its length.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.core.errors import InputError
from app.core.files.paths import shipped
from app.core.generation_events import CheckpointRef
from app.core.text.sanitize import single_line
from app.library.reading.checkpoints import CheckpointFacts, list_checkpoints
from app.library.run.label import read_label
from app.library.run.manifest import read_manifest
from app.library.run.metrics import read_event_log
from app.library.run.step_table import empty_table


@dataclass(frozen=True)
class CheckpointChoices:
    """A run as it can be tried."""

    run_dir: Path
    name: str
    model: Path
    checkpoints: tuple[CheckpointFacts, ...]
    """The earliest first; their tiers' movement is left out."""
    settings: Mapping[str, Any]
    """The run's configuration as its manifest holds it."""

    @property
    def preferred(self) -> CheckpointFacts | None:
        """The best, or the last where none was measured."""
        best = [facts for facts in self.checkpoints if facts.is_best]
        last = [facts for facts in self.checkpoints if facts.is_last]
        return (best or last or list(self.checkpoints) or [None])[-1]  # type: ignore[list-item]


def read_choices(run_dir: Path) -> CheckpointChoices:
    """Raises InputError if the run can't be read."""
    manifest = read_manifest(run_dir)
    config = manifest["config"]
    log = read_event_log(run_dir)
    return CheckpointChoices(
        run_dir,
        single_line(read_label(run_dir).name or manifest["name"]) or run_dir.name,
        shipped(Path(str(config.get("model", "")))),
        tuple(list_checkpoints(run_dir, empty_table(), log)),
        config,
    )


def choose_checkpoint(
    run_dir: Path, name: str | None = None, model: Path | None = None
) -> CheckpointRef:
    """The checkpoint named, otherwise the best, or the last where none was measured.

    `model` is where the base model is now, if not where it was. Raises InputError.
    """
    choices = read_choices(run_dir)
    if not choices.checkpoints:
        raise InputError(f"The run {choices.name!r} has no checkpoint to try.")
    names = {facts.folder.name: facts for facts in choices.checkpoints}
    checkpoint = names.get(name) if name else choices.preferred
    if checkpoint is None:
        raise InputError(
            f"The run {choices.name!r} has no checkpoint named {name!r}.",
            f"It has {', '.join(names)}.",
        )
    return CheckpointRef(model or choices.model, checkpoint.folder)
