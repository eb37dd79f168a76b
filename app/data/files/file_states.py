"""What a dataset's files are like on the disk: a change is noticed without reading them."""

from pathlib import Path

from app.core.errors import InputError
from app.data.files.dataset_files import find_files
from app.data.files.fingerprint import file_state

FileStates = tuple[tuple[Path, tuple[int, ...] | None], ...]
"""Each file with its state; None for one that is not there."""


def file_states(data: Path, valid: Path | None = None) -> FileStates:
    """Another value once a file was written to, replaced, moved, added or taken away.

    Empty where there is no dataset.
    """
    try:
        files = find_files(data, valid).all_files
    except InputError:
        return ()
    return tuple((path, file_state(path)) for path in files)
