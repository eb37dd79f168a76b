"""The best of a run's checkpoints is one that is there, whatever was deleted or not saved."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from app.engine.training.early_stopping import BestValidation
from app.library.reading.checkpoint_retention import best_step, prunable_checkpoints
from app.library.reading.checkpoints import read_choices
from app.library.reading.manifest_pointers import update_manifest_pointers
from app.library.reading.run_details import read_details
from app.library.run.manifest import read_manifest
from tests.library.made_up import set_losses

MakeRun = Callable[..., Path]


def test_without_the_best_checkpoint_the_next_best_is_kept(
    make_run: MakeRun, tmp_path: Path
) -> None:
    run = make_run(tmp_path / "r", saves=(2, 4, 6, 8))
    set_losses(run, {4: 1.5})
    shutil.rmtree(run / "checkpoints" / "step-000006")
    assert [facts.step for facts in read_details(run).checkpoints if facts.is_best] == [4]
    assert [folder.name for folder in prunable_checkpoints(run)] == ["step-000002"]
    update_manifest_pointers(run)
    assert read_manifest(run)["best_adapter"] == "checkpoints/step-000004"


def test_of_equal_losses_only_the_earliest_is_the_best_as_in_the_run_itself(
    make_run: MakeRun, tmp_path: Path
) -> None:
    run = make_run(tmp_path / "r", saves=(2, 4, 6, 8))
    set_losses(run, dict.fromkeys((2, 4, 6, 8), 1.0))
    best = BestValidation(None, None, 0)
    for step in (2, 4, 6, 8):
        best.take(1.0, step)
    assert [facts.step for facts in read_details(run).checkpoints if facts.is_best] == [best.step]
    assert [folder.name[-1] for folder in prunable_checkpoints(run)] == ["4", "6"]
    preferred = read_choices(run).preferred
    assert preferred is not None
    assert preferred.step == best.step == 2


@pytest.mark.parametrize("loss", ["NaN", "-Infinity", "1" + "0" * 400, "-1e308", "true"])
def test_a_loss_that_is_none_is_never_the_best(
    make_run: MakeRun, tmp_path: Path, loss: str
) -> None:
    run = make_run(tmp_path / "r", saves=(4, 8))
    set_losses(run, {8: json.loads(loss)})
    assert [facts.step for facts in read_details(run).checkpoints if facts.is_best] == [4]
    assert best_step(run) == 4
