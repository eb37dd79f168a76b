"""Lists all base models on this computer, the last used first."""

import os
from dataclasses import replace
from math import inf
from pathlib import Path
from time import monotonic

from app.core.text.sanitize import error_text
from app.models.description import ModelDescription, describe, unread
from app.models.description_cache import ModelIndex, read_index
from app.models.folder_files import read_folder_files
from app.models.model_locations import ModelLocation, find_models
from app.models.ollama import ollama_folder, ollama_models
from app.models.remembered_models import read_remembered_models, remember_folder, remember_use


def list_models(reading_seconds: float = inf) -> list[ModelDescription]:
    """Recents first, then by name; those that can't be trained come last.

    Folders that are new or have changed are read, for about so long; the others are listed unread.
    """
    remembered, index = read_remembered_models(), read_index()
    ends = monotonic() + reading_seconds
    listed = {
        location.folder: _described(location, index, may_read=monotonic() < ends)
        for location in find_models(remembered)
    }
    index.write(listed)
    models = [*listed.values(), *ollama_models(ollama_folder())]
    return sorted((_with_use(model, remembered.used) for model in models), key=_order)


def _described(location: ModelLocation, index: ModelIndex, *, may_read: bool) -> ModelDescription:
    if location.problem:
        return unread(location)
    try:
        files = read_folder_files(location.folder)
    except OSError as error:
        reason = error.strerror or error_text(error)
        return unread(replace(location, problem=f"{location.name} can't be read: {reason}."))
    if known := index.known(location, files.digest, files.size_bytes):
        return known
    if not may_read:
        return unread(location, files.size_bytes)
    model = describe(location, files)
    index.keep(model, files.digest)
    return model


def _with_use(model: ModelDescription, used: dict[str, float]) -> ModelDescription:
    when = used.get(str(model.folder))
    return model if when is None else replace(model, used=when)


def _order(model: ModelDescription) -> tuple[bool, float, str]:
    return bool(model.problem), -(model.used or 0.0), model.name.casefold()


def note_used(folder: Path, when: float) -> None:
    """Remember that a model was chosen, and its folder where no known place holds it.

    Raises AppError where the disk refuses.
    """
    remember_use(folder, when)
    real = os.path.realpath(folder)
    known = (
        os.path.realpath(location.folder) for location in find_models(read_remembered_models())
    )
    if real not in known:
        remember_folder(folder)
