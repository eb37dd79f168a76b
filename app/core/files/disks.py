"""Finds the disk that Nestling's folders are on, and whether it is connected.

The library may be on a disk of its own, by NESTLING_HOME or by a link. Without the disk its folder
is an empty mount point, or missing; a new library must not begin there. So the mount points that
held one are kept in a small file on the user's own disk.
"""

import os
from contextlib import suppress
from pathlib import Path

from app.core.errors import AppError, InputError
from app.core.files.atomic_files import disk_errors_as_app_errors, write_json_atomic
from app.core.files.folders import close_to_others, make_folder
from app.core.files.paths import default_home_dir, home_dir
from app.core.files.strict_parsing import parse_json
from app.core.files.untrusted_files import read_regular

_MAX_BYTES = 2**20
_KEPT = 50


def ensure_own_folder(folder: Path) -> None:
    """Make a folder of Nestling's own, closed to others, if it isn't there.

    The permissions of a home folder that the user chose are left unchanged.
    Raises InputError if its disk isn't connected, AppError if the folder can't be made.
    """
    check_connected(folder)
    with disk_errors_as_app_errors(folder):
        make_folder(folder)
    if folder != home_dir() or folder == default_home_dir():
        close_to_others(folder)


def check_connected(folder: Path) -> None:
    """Raise InputError if `folder` is missing and so is the disk that held a library there."""
    if folder.is_dir():
        return
    place = _resolved(folder)
    for mount in map(Path, _known_mounts()):
        if place.is_relative_to(mount) and not is_mounted(mount):
            raise InputError(
                f"The disk with the library isn't connected: {mount} is not mounted, and "
                f"there is no {folder}.",
                f"Connect it; or make the folder {place} for a new library.",
            )
    if folder.is_symlink():
        raise InputError(
            f"The folder that {folder} links to is missing: {place}.",
            "Connect the disk it is on, or remove the link.",
        )


def remember_disk(folder: Path) -> None:
    """Remember that a library is in `folder`, if that is on another disk than the user's own
    files. If it can't be stored, only the warning is lost."""
    with suppress(AppError, OSError):
        if _device(folder) == _device(_nearest_existing(default_home_dir())):
            return
        mount, known = str(mount_point(folder)), _known_mounts()
        if mount not in known:
            store = _store()
            make_folder(store.parent)
            write_json_atomic(store, [*known[1 - _KEPT :], mount])


def mount_point(path: Path) -> Path:
    """The mount point of the disk that `path` is on."""
    place = _nearest_existing(_resolved(path))
    return next(folder for folder in (place, *place.parents) if is_mounted(folder))


def is_mounted(mount: Path) -> bool:
    return os.path.ismount(mount)


def _store() -> Path:
    return default_home_dir() / "disks.json"


def _known_mounts() -> list[str]:
    try:
        known = parse_json(read_regular(_store(), _MAX_BYTES, follow_links=True))
    except (OSError, ValueError):
        return []
    return [mount for mount in known if isinstance(mount, str)] if isinstance(known, list) else []


def _resolved(path: Path) -> Path:
    """Resolves the part that exists; a link to itself is left unchanged."""
    try:
        return path.resolve()
    except (OSError, RuntimeError):
        return path.absolute()


def _nearest_existing(path: Path) -> Path:
    return next(folder for folder in (path, *path.parents) if os.path.exists(folder))


def _device(path: Path) -> int:
    return os.stat(path).st_dev
