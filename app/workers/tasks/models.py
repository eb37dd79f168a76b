"""Lists base models, and remembers folders of models."""

from dataclasses import dataclass
from pathlib import Path

from app.core.system.memory import training_bytes
from app.models import catalog
from app.models.catalog import note_used
from app.models.model_description import ModelDescription
from app.models.remembered_models import forget_folder, remember_folder

__all__ = ["forget_folder", "note_used"]


@dataclass(frozen=True)
class ListedModels:
    models: tuple[ModelDescription, ...]
    available_bytes: int
    """Memory that training may use on this machine."""

    @property
    def is_whole(self) -> bool:
        """Whether all models have been read."""
        return all(model.is_read for model in self.models)


def list_models(reading_seconds: float) -> ListedModels:
    """All models; new ones are read for about that long."""
    return ListedModels(tuple(catalog.list_models(reading_seconds)), training_bytes())


def remember_folders(folders: tuple[Path, ...]) -> None:
    """Add folders to search for models."""
    for folder in reversed(folders):
        remember_folder(folder)
