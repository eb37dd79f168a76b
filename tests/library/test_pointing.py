"""The best of a run's checkpoints is one that is there, whatever was deleted or not saved."""

import shutil
from collections.abc import Callable
from pathlib import Path

from app.library.pointing import point_at_checkpoints, superfluous_checkpoints
from app.library.run import read_manifest
from app.library.run_details import read_details

MakeRun = Callable[..., Path]


def test_without_the_best_checkpoint_the_next_best_is_kept(
    make_run: MakeRun, tmp_path: Path
) -> None:
    run = make_run(tmp_path / "r", saves=(2, 4, 6, 8))
    events = run / "events.jsonl"
    told = events.read_text().replace('"step":4,"val_loss":2.0', '"step":4,"val_loss":1.5')
    assert told != events.read_text()
    events.write_text(told)
    shutil.rmtree(run / "checkpoints" / "step-000006")
    assert [facts.step for facts in read_details(run).checkpoints if facts.is_best] == [4]
    assert [folder.name for folder in superfluous_checkpoints(run)] == ["step-000002"]
    point_at_checkpoints(run)
    assert read_manifest(run)["best_adapter"] == "checkpoints/step-000004"
