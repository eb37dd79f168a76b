"""Pipes, sockets, devices and folders where a run's files should be: nothing waits for them."""

import os
import shutil
import signal
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType

import pytest

from app.core.config.serialization import load_toml
from app.core.config.study import load_study
from app.core.config.training_config import TrainingConfig
from app.core.errors import AppError, InputError
from app.core.files.paths import cache_dir, home_dir
from app.core.progress import drain
from app.engine.training.checkpoints import check_files
from app.engine.training.trainer import resume, train
from app.library.column_mapping_store import remembered_columns
from app.library.queue_store import QUEUE_FILE, read_queue
from app.library.reading.checkpoints import read_choices
from app.library.reading.manifest_pointers import update_manifest_pointers
from app.library.reading.metrics_csv import export_csv
from app.library.reading.run_details import read_details
from app.library.reading.run_json import details_to_json
from app.library.reading.run_store import INDEX_FILE, list_runs
from app.library.run.label import RunLabel, read_label, write_label
from app.library.run.run_folder import copy_run_in_steps
from app.library.run.run_lock import is_locked
from tests.at_once import export_checkpoint
from tests.patience import PATIENCE_SECONDS

MakeRun = Callable[..., Path]
FILES = ("run.json", "label.json", "log.txt", "metrics.bin", "events.jsonl")
CHECKPOINT_FILES = (
    "state.json", "adapters.safetensors", "adapter_config.json", "optimizer.safetensors"
)  # fmt: skip
KINDS = ("pipe", "socket", "device", "folder")


@pytest.fixture(autouse=True)
def _nothing_waits() -> Iterator[None]:
    def fail(_number: int, _frame: FrameType | None) -> None:
        raise AssertionError("something waited for a file that never ends")

    before = signal.signal(signal.SIGALRM, fail)
    signal.alarm(PATIENCE_SECONDS)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


def put(kind: str, path: Path) -> None:
    path.unlink(missing_ok=True)
    match kind:
        case "pipe":
            os.mkfifo(path)
        case "device":
            path.symlink_to("/dev/zero")
        case "folder":
            path.mkdir()
        case "socket":
            with socket.socket(socket.AF_UNIX) as made:
                here = os.open(path.parent, os.O_RDONLY)
                made.bind(
                    f"/proc/self/fd/{here}/{path.name}" if os.path.isdir("/proc") else path.name
                )
                os.close(here)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", FILES)
def test_entries_that_are_not_files_are_ignored_or_reported(
    make_run: MakeRun, tmp_path: Path, name: str, kind: str
) -> None:
    run_dir = make_run(tmp_path / "runs" / "r", outcome="stopped", saves=(4, 8))
    write_label(run_dir, RunLabel("Kittens", "notes"))
    put(kind, run_dir / name)
    assert not is_locked(run_dir)
    (row,) = list_runs(run_dir.parent)
    details = read_details(run_dir)
    details_to_json(details)
    export_csv(details, tmp_path / "out.csv")
    assert len(details.checkpoints) == 2
    if name != "run.json":
        assert (row.name, row.notes) == (("cats", "") if name == "label.json" else
                                         ("Kittens", "notes"))  # fmt: skip
        assert read_choices(run_dir).checkpoints
    for act in (
        lambda: update_manifest_pointers(run_dir),
        lambda: write_label(run_dir, RunLabel("Cats")),
        lambda: drain(copy_run_in_steps(run_dir, tmp_path / "copy")),
        lambda: list(resume(run_dir)),
    ):
        try:
            act()
        except AppError as error:
            assert "\n" not in str(error)  # noqa: PT017
    assert read_label(run_dir) == RunLabel("Cats")


@pytest.mark.parametrize("kind", KINDS)
def test_a_dropped_entry_that_is_not_a_file_is_refused(tmp_path: Path, kind: str) -> None:
    dropped = tmp_path / "a.toml"
    put(kind, dropped)
    assert remembered_columns(dropped) is None
    for read in (load_toml, load_study):
        with pytest.raises(InputError, match="can't be read: "):
            read(dropped)


@pytest.fixture(scope="module")
def stopped(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("stopped")
    data = folder / "data.jsonl"
    data.write_text("".join(f'{{"text": "{n} and {n * n} make a pair"}}\n' for n in range(24)))
    config = TrainingConfig(
        model=tiny_model, data=data, steps=4, rank=2, steps_per_save=2, output=folder / "run"
    )
    list(train(config, stop_after=3))
    return folder / "run"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", CHECKPOINT_FILES)
def test_a_checkpoint_with_something_else_in_a_files_place_is_refused_in_a_sentence(
    stopped: Path, tmp_path: Path, name: str, kind: str
) -> None:
    run_dir = tmp_path / "run"
    shutil.copytree(stopped, run_dir)
    checkpoint = run_dir / "checkpoints" / "step-000003"
    put(kind, checkpoint / name)
    (at_fault,) = [facts for facts in read_details(run_dir).checkpoints if facts.problem]
    assert at_fault.problem == f"{name} is missing."
    with pytest.raises(InputError, match=name):
        list(resume(run_dir))
    with pytest.raises(InputError, match=name):
        check_files(checkpoint, (name,))
    if name in ("adapters.safetensors", "adapter_config.json"):
        with pytest.raises(InputError, match=name):
            export_checkpoint(checkpoint, tmp_path / "exported")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["log.txt", "metrics.bin", "events.jsonl"])
def test_a_real_run_resumes_or_says_why_not(
    stopped: Path, tmp_path: Path, name: str, kind: str
) -> None:
    run_dir = tmp_path / "run"
    shutil.copytree(stopped, run_dir)
    put(kind, run_dir / name)
    try:
        list(resume(run_dir))
    except AppError as error:
        assert name in str(error)  # noqa: PT017
    else:
        assert name != "log.txt"


@pytest.mark.parametrize("kind", KINDS)
def test_the_app_s_own_files_never_block_either(
    make_run: MakeRun, tmp_path: Path, kind: str
) -> None:
    make_run(home_dir() / "runs" / "r")
    cache_dir().mkdir(parents=True)
    for path in (cache_dir() / INDEX_FILE, home_dir() / QUEUE_FILE, home_dir() / "columns.json"):
        put(kind, path)
    assert len(list_runs(home_dir() / "runs")) == 1
    assert remembered_columns(tmp_path / "a.csv") is None
    with pytest.raises(InputError, match="kept in"):
        list(read_queue(home_dir() / QUEUE_FILE).runs)


def test_a_manifest_without_end_is_refused_and_a_log_without_end_is_cut(
    make_run: MakeRun, tmp_path: Path
) -> None:
    run_dir = make_run(tmp_path / "runs" / "r")
    os.truncate(run_dir / "log.txt", 2**40)
    assert len(read_details(run_dir).log) <= 200_000
    os.truncate(run_dir / "run.json", 2**36)
    (row,) = list_runs(run_dir.parent)
    assert "larger than" in row.problem
