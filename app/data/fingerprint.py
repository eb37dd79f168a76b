"""What a dataset's files hold, as digests: whether they are still what a run began with."""

import hashlib
from pathlib import Path

from app.core.errors import InputError
from app.data.dataset_files import find_files


def fingerprints(data: Path | None, valid: Path | None) -> dict[str, str]:
    """File name → SHA-256 of its content, for every file of the dataset. Raises InputError."""
    if data is None:
        return {}
    files = find_files(data, valid)
    return {str(path): _digest(path) for path in (files.train, files.valid) if path}


def _digest(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise InputError(f"{path} can't be read: {error.strerror}.") from error
