"""Finding base models and remembering folders, as plain functions for the background thread."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from time import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from app.models.description import ModelDescription


@dataclass(frozen=True)
class ListedModels:
    models: "tuple[ModelDescription, ...]"
    available_bytes: int
    """What training may use on this machine."""

    @property
    def is_whole(self) -> bool:
        """All of them have been read."""
        return all(model.is_read for model in self.models)


def listing_models(reading_seconds: float) -> Callable[[], ListedModels]:
    """All models; those that are new are read for about so long."""

    def work() -> ListedModels:
        from app.core.system.memory import training_bytes
        from app.models.catalog import list_models

        return ListedModels(tuple(list_models(reading_seconds)), training_bytes())

    return work


def remembering_folders(folders: tuple[Path, ...]) -> Callable[[], None]:
    """Models are looked for in them from now on."""

    def work() -> None:
        from app.models.remembered_models import remember_folder

        for folder in reversed(folders):
            remember_folder(folder)

    return work


def forgetting_folder(folder: Path) -> Callable[[], None]:
    def work() -> None:
        from app.models.remembered_models import forget_folder

        forget_folder(folder)

    return work


def noting_use(folder: Path) -> Callable[[], None]:
    """A model was chosen for the next run just now."""

    def work() -> None:
        from app.models.catalog import note_used

        note_used(folder, time())

    return work
