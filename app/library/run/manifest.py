"""Reads and writes a run's manifest, and verifies its digests."""

import hashlib
import json
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from app.core.errors import InputError
from app.core.events import ScoreMeasured
from app.core.files.atomic_files import write_json_atomic
from app.core.files.strict_parsing import parse_json, typed
from app.core.files.untrusted_files import read_regular
from app.library.run.layout import MANIFEST_FILE

FORMAT = 1
MAX_MANIFEST_BYTES = 64 * 1024**2
MAX_QUESTIONS = 10**9
"""The most questions of a set; larger numbers are invalid."""
WAS_CHANGED = "was_changed"
"""The key that marks an edited manifest; it is kept when the run rewrites the file."""
IDENTITY = "id"
"""The key of a run's identity, which only copies share; lines of its event log have it too."""
TEMPLATE_DAY = "template_day"
"""The key of the date in a run's rows, if its chat template writes one."""
_OWN_SUM = "own_sha256"


def write_manifest(run_dir: Path, manifest: dict[str, Any]) -> None:
    """Write the manifest with its digest. Raises AppError if the disk can't be written."""
    write_json_atomic(run_dir / MANIFEST_FILE, manifest | {_OWN_SUM: json_digest(manifest)})


def read_manifest(run_dir: Path) -> dict[str, Any]:
    """A run's manifest. Raises InputError, which names its problem.

    A manifest that does not match its digest has the key WAS_CHANGED. Manifests of older
    versions have no digest.
    """
    path = run_dir / MANIFEST_FILE
    try:
        manifest = parse_json(read_regular(path, MAX_MANIFEST_BYTES))
    except FileNotFoundError:
        raise InputError(f"{run_dir} has no {MANIFEST_FILE}, so it is not a run.") from None
    except OSError as error:
        raise InputError(f"{path} can't be read: {error.strerror or error}.") from error
    except ValueError as error:
        raise InputError(f"{path} can't be read: {error}.") from error
    needed = {"name": str, "config": dict, "outcome": str, "steps": int, "scores": list}
    if not isinstance(manifest, dict) or not isinstance(manifest.get("format"), int):
        raise InputError(f"{path} is not a run's manifest.")
    if manifest["format"] > FORMAT:
        raise InputError(f"{run_dir} was made by a newer Nestling.", "Update Nestling to open it.")
    if missing := [key for key, kind in needed.items() if not isinstance(manifest.get(key), kind)]:
        raise InputError(f"{path} lacks {missing[0]!r}, so the run can't be read.")
    own_sum = manifest.pop(_OWN_SUM, None)
    is_as_written = own_sum is None or own_sum == json_digest(manifest)
    return manifest if is_as_written else manifest | {WAS_CHANGED: True}


def read_scores(manifest: Mapping[str, Any]) -> list[ScoreMeasured]:
    """The run's scores; invalid entries are left out."""
    found, listed = [], manifest.get("scores")
    for entry in listed if isinstance(listed, list) else []:
        with suppress(ValueError):
            score = typed(entry, ScoreMeasured)
            if 0 <= score.correct <= score.total <= MAX_QUESTIONS:
                found.append(score)
    return found


def json_digest(value: Any) -> str:
    """SHA-256 of a JSON value; the order of keys doesn't matter."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def settings_match(manifest: dict[str, Any]) -> bool:
    """Whether the settings that affect the run's numbers are unchanged since its start."""
    return bool(manifest.get("settings_sha256") == json_digest(hashed_settings(manifest)))


def check_settings(run_dir: Path, manifest: dict[str, Any]) -> None:
    """Raise InputError unless the run can be resumed with its own settings."""
    if not settings_match(manifest):
        raise InputError(
            f"The settings in {run_dir / MANIFEST_FILE} changed after the run began.",
            "Put the old file back, or repeat the run with new settings.",
        )


def hashed_settings(manifest: dict[str, Any]) -> dict[str, Any]:
    """The settings that affect a run's numbers; the manifest holds their digest."""
    decided = {name: manifest.get(name) for name in ("config", "data", "plan")}
    # Runs of older versions have none.
    return decided | {
        name: manifest[name] for name in ("batching", "started_from") if name in manifest
    }
