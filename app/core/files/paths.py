"""Paths of the user's data (the application-support folder) and of the shipped files."""

import os
from collections.abc import Mapping
from pathlib import Path

import platformdirs

from app.core.errors import InputError
from app.core.system.version import bundle_dir
from app.core.text.translation import SOURCE

HOME_VARIABLE = "NESTLING_HOME"
"""Environment variable that replaces the application-support folder (tests, another disk)."""


def home_dir() -> Path:
    """The folder that holds runs, logs and settings; not created by asking."""
    override = os.environ.get(HOME_VARIABLE)
    return expanded(Path(override)) if override else default_home_dir()


def default_home_dir() -> Path:
    """The application-support folder on the user's own disk, ignoring NESTLING_HOME."""
    return platformdirs.user_data_path("Nestling", appauthor=False)


def expanded(path: Path) -> Path:
    """The path with ~ and ~user expanded. Raises InputError for an unknown user."""
    try:
        return path.expanduser()
    except RuntimeError:
        raise InputError(f"{path}: this computer has no user {path.parts[0][1:]!r}.") from None


def runs_dir() -> Path:
    """The library: one folder per run."""
    return home_dir() / "runs"


def cache_dir() -> Path:
    """The cache: it may be deleted at any time."""
    override = os.environ.get(HOME_VARIABLE)
    if override:
        return expanded(Path(override)) / "cache"
    return platformdirs.user_cache_path("Nestling", appauthor=False)


def logs_dir() -> Path:
    """The folder for logs of failed starts; not created by asking."""
    override = os.environ.get(HOME_VARIABLE)
    if override:
        return expanded(Path(override)) / "logs"
    return platformdirs.user_log_path("Nestling", appauthor=False)


def is_utf8(path: Path) -> bool:
    """Whether MLX can open it: elsewhere than in Python a name must be UTF-8."""
    try:
        str(path).encode()
    except UnicodeEncodeError:
        return False
    return True


def resources_dir() -> Path:
    """The shipped files: in the frozen app, in an installed wheel, or in a checkout."""
    if (frozen := bundle_dir()) is not None:
        return frozen / "resources"
    package = Path(__file__).resolve().parents[2]
    installed = package / "resources"
    return installed if installed.is_dir() else package.parent / "resources"


def guide_dir(language: str = SOURCE) -> Path:
    """The pages of the built-in guide in a language, in the order of their names."""
    return _pages_dir("guide", language)


def shipped(path: Path) -> Path:
    """The file of this copy of the app, if `path` is another copy's and is gone: the app
    was moved, or another install began the run."""
    _, mark, rest = str(path).rpartition("/resources/")
    here = resources_dir() / rest
    is_lost = mark and not os.path.exists(path)
    return here if is_lost and os.path.exists(here) else path


def at_shipped_places(digests: object) -> object:
    """Digests by path, with paths of other copies replaced by this copy's."""
    if not isinstance(digests, Mapping):
        return digests
    return {str(shipped(Path(path))): digest for path, digest in digests.items()}


def studies_dir() -> Path:
    """The studies that Nestling ships."""
    return resources_dir() / "studies"


def starter_dir() -> Path:
    """The embedded starter model, its sample dataset and its question sets."""
    return resources_dir() / "starter"


def starter_model_dir() -> Path:
    """The starter model, as mlx-lm loads it."""
    return starter_dir() / "model"


def reference_dir(language: str = SOURCE) -> Path:
    """The pages of the reference in a language, one per topic."""
    return _pages_dir("reference", language)


def _pages_dir(name: str, language: str) -> Path:
    within = () if language == SOURCE else ("languages", language)
    return resources_dir().joinpath(*within, name)


def general_text_file(use: str, *, is_chat: bool) -> Path:
    """Everyday text of no task, for "lessons" or for the "meter": as chats, or as passages for a
    model without a chat template."""
    return resources_dir() / "general" / use / ("chats.jsonl" if is_chat else "passages.jsonl")


def known_questions_file() -> Path:
    """Short questions with their answers, as JSON Lines of question, answers and kind."""
    return resources_dir() / "general" / "meter" / "known_questions.jsonl"
