"""Links in a run's folder from elsewhere lead nowhere: nothing is read or written through them."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from app.core.errors import AppError, InputError
from app.core.progress import drain
from app.engine.training.checkpoints import load_checkpoint
from app.engine.training.trainer import resume
from app.library.reading.checkpoint_retention import checkpoint_folders
from app.library.reading.run_details import read_details
from app.library.reading.run_store import list_runs
from app.library.reading.run_summary import summarize
from app.library.run.label import RunLabel, read_label, write_label
from app.library.run.layout import (
    ADAPTER_FILES,
    EVENTS_FILE,
    LABEL_FILE,
    LOG_FILE,
    RUN_FILES,
    STEPS_FILE,
)
from app.library.run.metrics import MetricsWriter, read_events, read_steps
from app.library.run.run_folder import copy_run_in_steps
from app.library.run.run_lock import RunLock
from tests.at_once import export_checkpoint
from tests.library.made_up import run_started

MakeRun = Callable[..., Path]
SECRET = "the user's own words"


@pytest.fixture
def precious(tmp_path: Path) -> Path:
    path = tmp_path / "precious"
    path.write_text(SECRET)
    return path


@pytest.fixture
def run(make_run: MakeRun, tmp_path: Path) -> Path:
    return make_run(tmp_path / "runs" / "r", outcome="stopped", steps=20, saves=(4, 8))


def link(path: Path, target: Path) -> None:
    path.unlink(missing_ok=True)
    path.symlink_to(target)


@pytest.mark.parametrize("name", RUN_FILES)
def test_a_linked_file_is_neither_resumed_nor_written_to(
    run: Path, precious: Path, name: str
) -> None:
    link(run / name, precious)
    with pytest.raises(InputError, match=f"{name} is a link to {precious}"):
        list(resume(run))
    write_label(run, RunLabel("Kittens"))
    assert precious.read_text() == SECRET
    assert read_label(run).name == "Kittens"


@pytest.mark.parametrize("name", [LOG_FILE, EVENTS_FILE, STEPS_FILE])
def test_a_file_that_stands_elsewhere_too_is_not_appended_to(
    run: Path, precious: Path, name: str
) -> None:
    (run / name).unlink()
    (run / name).hardlink_to(precious)
    with pytest.raises(InputError, match=f"{name} is a hard link"):
        list(resume(run))
    assert precious.read_text() == SECRET


def test_what_a_run_appends_to_is_not_appended_to_through_a_link(run: Path, precious: Path) -> None:
    for name in (LOG_FILE, EVENTS_FILE, STEPS_FILE):
        link(run / name, precious)
    with pytest.raises(AppError, match="is a link"):
        RunLock(run)
    with pytest.raises(AppError, match="is a link"):
        MetricsWriter(run).append(run_started(run, 8, (1, 2), 4))
    assert precious.read_text() == SECRET


def test_nothing_is_read_through_a_link(run: Path, precious: Path) -> None:
    precious.write_text('{"name": "a secret", "notes": "a secret"}\n{"event": "a secret"}\n')
    for name in (LABEL_FILE, LOG_FILE, EVENTS_FILE, STEPS_FILE):
        link(run / name, precious)
    assert "secret" not in repr(read_details(run))
    assert read_events(run) == []
    assert len(read_steps(run)) == 0


@pytest.mark.parametrize("within", ["checkpoints", "checkpoints/step-000008"])
def test_a_linked_folder_is_no_checkpoint(run: Path, tmp_path: Path, within: str) -> None:
    away = tmp_path / "away"
    (run / within).rename(away)
    link(run / within, away)
    names = [folder.name for folder in checkpoint_folders(run)]
    assert names == ([] if within == "checkpoints" else ["step-000004"])
    (row,) = list_runs(run.parent)
    assert row.adapter_dir is None
    assert "is a link: it is not used" in row.problem
    with pytest.raises(InputError, match="is a link to"):
        list(resume(run))
    with pytest.raises(InputError, match="is a link"):
        drain(copy_run_in_steps(run, tmp_path / "copy"))
    assert not (tmp_path / "copy").exists()


@pytest.mark.parametrize("name", ADAPTER_FILES)
def test_a_linked_file_of_a_checkpoint_is_not_exported_or_loaded(
    run: Path, precious: Path, tmp_path: Path, name: str
) -> None:
    folder = checkpoint_folders(run)[-1]
    link(folder / name, precious)
    with pytest.raises(InputError, match=f"{name} can't be copied: it is a link"):
        export_checkpoint(folder, tmp_path / "out")
    with pytest.raises(AppError):
        load_checkpoint(folder)
    with pytest.raises(InputError, match=f"{name} is a link"):
        list(resume(run))
    assert sorted(os.listdir(tmp_path)) == ["precious", "runs"]


def test_a_run_that_the_user_reaches_by_a_link_is_a_run(run: Path, tmp_path: Path) -> None:
    library = tmp_path / "library"
    library.symlink_to(run.parent)
    (run.parent / "also").symlink_to(run)
    assert [row.problem for row in list_runs(library)] == ["", ""]
    assert len(checkpoint_folders(library / "also")) == 2
    assert (drain(copy_run_in_steps(library / "also", tmp_path / "copy")) / "run.json").is_file()


def test_a_linked_folder_of_checkpoints_is_named_as_one(run: Path, tmp_path: Path) -> None:
    (run / "checkpoints").rename(tmp_path / "moved")
    (run / "checkpoints").symlink_to(tmp_path / "moved")
    assert summarize(run).problem == "Its folder checkpoints is a link: it is not used."
