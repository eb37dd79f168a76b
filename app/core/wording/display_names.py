"""The names of base models and datasets, from their paths alone."""

import os
from functools import cache
from pathlib import Path

from app.core.files.data_formats import bare_name
from app.core.files.paths import starter_model_dir
from app.core.text.translation import mark, tr

STARTER = mark("Starter model")
SNAPSHOTS, REPOSITORY_PREFIX = "snapshots", "models--"
_SEPARATOR = "--"
_GENERIC = ("train", "data", "dataset")


def hub_repository(folder: Path) -> str:
    """ "org/name" of a snapshot in the Hugging Face cache, whose folder is a hash; else empty."""
    *_, repository, snapshots, _ = ("", "", *folder.parts)[-3:]
    is_snapshot = snapshots == SNAPSHOTS and repository.startswith(REPOSITORY_PREFIX)
    return (
        repository.removeprefix(REPOSITORY_PREFIX).replace(_SEPARATOR, "/", 1)
        if is_snapshot
        else ""
    )


def model_name(folder: Path) -> str:
    """A base model's name without the organization: "Qwen3-4B-4bit"."""
    if folder == _starter():
        return tr(STARTER)
    return hub_repository(folder).rpartition("/")[2] or folder.name


def model_place(folder: Path) -> Path:
    """The folder to show as the model's place."""
    return folder.parents[2] if hub_repository(folder) else folder.parent


@cache
def _starter() -> Path:
    """Cached: found on the disk once, not for every run."""
    return starter_model_dir()


def dataset_title(data: Path | None) -> str:
    """The file's name without its endings; the folder's name for a file like train.jsonl.

    It names a dataset's runs, too. Empty for None.
    """
    if data is None:
        return ""
    name = bare_name(data)
    return Path(os.path.realpath(data)).parent.name if name in _GENERIC else name


def question_set_name(path: Path) -> str:
    """A question set's name, as in its scores."""
    return path.stem.replace("_", " ")
