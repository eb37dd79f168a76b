"""Writes models as the Hugging Face cache has them: blobs, and snapshots of links to them."""

import shutil
from pathlib import Path

REVISION = "0123456789abcdef0123456789abcdef01234567"


def add_to_hub_cache(hub: Path, repository: str, model: Path, revision: str = REVISION) -> Path:
    """Put the files of `model` into the cache at `hub`, as `hf download` does; the snapshot."""
    folder = hub / f"models--{repository.replace('/', '--')}"
    snapshot = folder / "snapshots" / revision
    for path in (folder / "blobs", folder / "refs", snapshot):
        path.mkdir(parents=True, exist_ok=True)
    for number, file in enumerate(sorted(model.iterdir())):
        blob = folder / "blobs" / f"{number:040x}"
        shutil.copyfile(file, blob)
        (snapshot / file.name).symlink_to(f"../../blobs/{blob.name}")
    (folder / "refs" / "main").write_text(revision)
    return snapshot
