"""Which checkpoint is tried when none is named, and what a broken run says."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from app.core.errors import InputError
from app.library.reading.checkpoints import choose_checkpoint, read_choices
from app.library.run.label import RunLabel, write_label

MakeRun = Callable[..., Path]


def test_the_best_checkpoint_is_preferred(make_run: MakeRun, tmp_path: Path) -> None:
    run = make_run(tmp_path / "a", saves=(2, 4, 8), model=Path("/m/base"))
    choices = read_choices(run)
    assert [(c.step, c.is_best) for c in choices.checkpoints] == [(2, False), (4, True), (8, False)]
    tried = choose_checkpoint(run)
    assert (tried.adapter_dir.name, tried.model) == ("step-000004", Path("/m/base"))
    elsewhere = choose_checkpoint(run, "step-000008", Path("/n"))
    assert (elsewhere.adapter_dir.name, elsewhere.model) == ("step-000008", Path("/n"))


def test_without_the_best_one_the_last_is_preferred(make_run: MakeRun, tmp_path: Path) -> None:
    run = make_run(tmp_path / "a", saves=(2, 4, 8))
    (run / "events.jsonl").unlink()
    assert choose_checkpoint(run).adapter_dir.name == "step-000008"


def test_the_user_s_name_is_the_run_s(make_run: MakeRun, tmp_path: Path) -> None:
    run = make_run(tmp_path / "a")
    write_label(run, RunLabel("Kittens", ""))
    assert read_choices(run).name == "Kittens"


def test_a_run_without_a_checkpoint_or_manifest_is_refused(
    make_run: MakeRun, tmp_path: Path
) -> None:
    run = make_run(tmp_path / "a")
    shutil.rmtree(run / "checkpoints")
    with pytest.raises(InputError, match="no checkpoint to try"):
        choose_checkpoint(run)
    (run / "run.json").unlink()
    with pytest.raises(InputError, match=r"no run\.json"):
        read_choices(run)
