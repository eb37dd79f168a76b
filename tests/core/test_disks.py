"""A library on a disk of its own: without the disk no new library begins in its mount point."""

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from app.core.config.training_config import TrainingConfig
from app.core.errors import AppError, InputError, RunError
from app.core.files import disks
from app.core.files.disks import check_connected, ensure_own_folder, remember_disk
from app.core.files.paths import HOME_VARIABLE, default_home_dir, runs_dir
from app.library.column_mapping_store import remember_columns
from app.library.queue_store import SavedQueue, write_queue
from app.library.reading.run_store import list_runs
from app.library.run.recorder import RunRecorder
from app.library.run.run_folder import choose_run_dir
from app.ui.system.single_instance import SingleInstance
from tests.small_disk import small_disk

MakeRun = Callable[..., Path]


@pytest.fixture
def disconnected(make_run: MakeRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The mount point of a disk that had the library, and is no longer mounted."""
    mount = tmp_path / "mount"
    with small_disk(mount, "4m") as disk:
        monkeypatch.setenv(HOME_VARIABLE, str(disk.folder / "nestling"))
        make_run(runs_dir() / "r")
        assert len(list_runs(runs_dir())) == 1
    return mount


def test_nothing_is_created_in_the_mount_point_of_a_disconnected_disk(
    disconnected: Path,
) -> None:
    home = disconnected / "nestling"
    for act in (
        lambda: list_runs(runs_dir()),
        lambda: choose_run_dir(TrainingConfig(), runs_dir()),
        lambda: ensure_own_folder(runs_dir()),
        lambda: write_queue(home / "queue.json", SavedQueue(())),
        lambda: remember_columns(home / "x.csv", None),
        lambda: SingleInstance(home),
    ):
        with pytest.raises(InputError, match=f"isn't connected: {disconnected} is not mounted"):
            act()
    assert os.listdir(disconnected) == []


def test_a_library_may_begin_there_once_the_user_has_made_its_folder(disconnected: Path) -> None:
    runs_dir().mkdir(parents=True)
    assert list_runs(runs_dir()) == []
    ensure_own_folder(runs_dir())


def test_a_library_deleted_from_a_connected_disk_starts_empty(
    make_run: MakeRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with small_disk(tmp_path / "mount", "4m") as disk:
        monkeypatch.setenv(HOME_VARIABLE, str(disk.folder / "nestling"))
        make_run(runs_dir() / "r")
        list_runs(runs_dir())
        subprocess.run(["rm", "-r", str(disk.folder / "nestling")], check=True)
        assert list_runs(runs_dir()) == []
        ensure_own_folder(runs_dir())
        assert runs_dir().is_dir()


def test_a_link_to_a_library_on_a_disk_that_is_not_connected_says_so(tmp_path: Path) -> None:
    runs_dir().parent.mkdir(parents=True)
    runs_dir().symlink_to(tmp_path / "gone" / "runs")
    with pytest.raises(InputError, match="links to is missing"):
        choose_run_dir(TrainingConfig(), runs_dir())
    (tmp_path / "gone" / "runs").mkdir(parents=True)
    assert list_runs(runs_dir()) == []


def test_a_library_on_the_user_s_own_disk_is_not_remembered(tmp_path: Path) -> None:
    remember_disk(tmp_path)
    assert not default_home_dir().exists()
    check_connected(tmp_path / "new")


@pytest.mark.parametrize("content", ["", "7", '[{"a": 1}]', "[" * 100_000])
def test_a_damaged_record_of_disks_is_ignored(tmp_path: Path, content: str) -> None:
    default_home_dir().mkdir(parents=True)
    (default_home_dir() / "disks.json").write_text(content)
    check_connected(tmp_path / "new")


@pytest.mark.parametrize("is_connected", [True, False])
def test_a_run_whose_folder_is_gone_says_whether_its_disk_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_connected: bool
) -> None:
    with small_disk(tmp_path / "mount", "4m") as disk:
        recorder = RunRecorder.create(disk.folder / "r", TrainingConfig(), {})
        if is_connected:
            subprocess.run(["rm", "-r", str(disk.folder / "r")], check=True)
        else:
            subprocess.run(["umount", "-l", str(disk.folder)], check=True)
        message = (
            "was deleted" if is_connected else "disk with the run's folder .* was disconnected"
        )
        with pytest.raises(RunError, match=message):
            recorder.synced_metrics_bytes()
        recorder.close()
        if not is_connected:  # so that there is something to unmount
            subprocess.run(["mount", "-t", "tmpfs", "tmpfs", str(disk.folder)], check=True)


def test_a_home_that_the_user_chose_stays_as_open_as_they_have_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "shared"
    home.mkdir(mode=0o755)
    (home / "runs").mkdir(mode=0o755)
    monkeypatch.setenv(HOME_VARIABLE, str(home))
    ensure_own_folder(home)
    ensure_own_folder(runs_dir())
    assert (home.stat().st_mode & 0o777, runs_dir().stat().st_mode & 0o777) == (0o755, 0o700)


def test_a_folder_that_can_not_be_created_is_reported_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(AppError, match="a file is in its place"):
        ensure_own_folder(tmp_path / "file" / "cache")
    assert disks.mount_point(tmp_path / "not" / "there").is_dir()
