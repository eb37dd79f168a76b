"""Runs as if something else had computed them."""

import json
from dataclasses import asdict
from pathlib import Path

from app.core.system.compute_environment import ComputeEnvironment
from app.engine.training.checkpoints import last_checkpoint
from app.library.run.manifest import json_digest, read_manifest

OTHER = ComputeEnvironment("CPU", "OpenBLAS 0.3.1 (Haswell)", "0.30.0")


def made_by(run_dir: Path, computer: ComputeEnvironment | None) -> None:
    """As if something else had computed it; None: as older versions wrote it."""
    path = last_checkpoint(run_dir) / "state.json"
    state = json.loads(path.read_text())
    del state["own_sha256"], state["computed_by"]
    manifest = read_manifest(run_dir)
    del manifest["computed_by"]
    if computer is not None:
        state["computed_by"] = asdict(computer)
        manifest["computed_by"] = [{"after_step": 0} | asdict(computer)]
    path.write_text(json.dumps(state | {"own_sha256": json_digest(state)}))
    (run_dir / "run.json").write_text(json.dumps(manifest))
