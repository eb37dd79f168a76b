"""A disk that is full or may not be written: reported in a sentence, and nothing saved is lost."""

import errno
import json
import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import mlx.core as mx
import pytest

from app.core.column_mapping import parse_columns
from app.core.config.training_config import TierConfig, TrainingConfig
from app.core.errors import AppError
from app.core.events import EvaluationFinished, RunFinished
from app.core.files.paths import cache_dir, home_dir, runs_dir
from app.engine.training.checkpoints import last_checkpoint, load_checkpoint
from app.engine.training.trainer import resume, train
from app.library.column_mapping_store import remember_columns
from app.library.queue_store import QUEUE_FILE, SavedQueue, queued_run, read_queue, write_queue
from app.library.reading.manifest_pointers import update_manifest_pointers
from app.library.reading.metrics_csv import export_csv
from app.library.reading.run_details import read_details
from app.library.reading.run_store import list_runs
from app.library.run.label import RunLabel, read_label, write_label
from app.library.run.layout import EVENTS_FILE
from app.library.run.metrics import HEADER_BYTES, MetricsWriter, read_events, read_steps
from app.library.run.recorder import RunRecorder
from app.library.run.step_table import record_type
from tests.at_once import export_checkpoint
from tests.library.made_up import made_up_step, run_started
from tests.patience import PATIENCE_SECONDS
from tests.small_disk import PAGE, SmallDisk, small_disk

MakeRun = Callable[..., Path]
STEPS = 12


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    with small_disk(tmp_path / "disk", "4m") as made:
        yield made


@pytest.fixture(scope="module")
def pair(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """A run's folder cut at step 4, and the adapter that the whole run ends with."""
    folder = tmp_path_factory.mktemp("full")
    data = folder / "data.jsonl"
    data.write_text("".join(f'{{"text": "{n} and {n * n} make a pair"}}\n' for n in range(24)))
    config = TrainingConfig(
        model=tiny_model, data=data, tiers=(TierConfig(1), TierConfig(2)), steps=STEPS, rank=2,
        learning_rate=1e-2, steps_per_save=2, steps_per_eval=3, dropout=0.1,
        output=folder / "whole",
    )  # fmt: skip
    list(train(config))
    cut = TrainingConfig(**{**vars(config), "output": folder / "cut"})
    list(train(cut, stop_after=4))
    return folder / "cut", load_checkpoint(last_checkpoint(folder / "whole")).adapter


def half_written(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if ".partial" in path.name]


@pytest.mark.parametrize("free_pages", [0, 1, 3, 8, 17, 30, 60])
def test_a_run_that_fills_the_disk_ends_in_a_sentence_and_resumes_once_there_is_room(
    pair: tuple[Path, dict[str, Any]], disk: SmallDisk, free_pages: int
) -> None:
    cut, whole = pair
    run = disk.folder / "cut"
    shutil.copytree(cut, run)
    before = read_details(run)
    disk.leave(free_pages * PAGE)
    try:
        end = list(resume(run))[-1]
        assert isinstance(end, RunFinished)
        assert end.outcome == "failed"
        message = end.message
    except AppError as error:  # so full that it could not even begin
        message = str(error)
    assert "The disk is full" in message
    assert half_written(run) == []
    details = read_details(run)
    steps = list(details.table.steps)
    assert steps == list(range(1, len(steps) + 1))
    assert len(steps) >= len(before.table)
    assert not details.summary.problem
    assert [facts.problem for facts in details.checkpoints if facts.problem] == []
    assert [f.folder.name for f in before.checkpoints] <= [
        f.folder.name for f in details.checkpoints
    ]
    disk.empty()
    list(resume(run))
    end_adapter = load_checkpoint(last_checkpoint(run)).adapter
    assert all(mx.array_equal(end_adapter[name], whole[name]) for name in whole)
    assert list(read_steps(run).steps) == list(range(1, STEPS + 1))


def test_a_record_torn_by_a_full_disk_is_whole_again_once_there_is_room(disk: SmallDisk) -> None:
    """A step's measurements are not lost when only its record did not fit."""
    run = disk.folder / "run"
    run.mkdir()
    writer = MetricsWriter(run)
    writer.append(run_started(run))
    disk.leave(0)
    size, number = record_type(2, 4).itemsize, 0
    with pytest.raises(AppError, match="The disk is full"):
        for number in range(1, 1000):
            writer.append(made_up_step(number))
    assert (PAGE - HEADER_BYTES) % size  # the last record does not end with the page
    assert list(read_steps(run).steps) == list(range(1, number))
    with pytest.raises(AppError, match="The disk is full"):
        writer.sync()
    disk.empty()
    assert writer.sync() == HEADER_BYTES + number * size
    writer.close()
    assert list(read_steps(run).steps) == list(range(1, number + 1))


def test_an_event_after_a_torn_line_is_not_lost(disk: SmallDisk) -> None:
    run = disk.folder / "run"
    run.mkdir()
    writer = MetricsWriter(run)
    writer.append(run_started(Path("run")))
    disk.leave(0)
    step = 0
    with pytest.raises(AppError, match="The disk is full"):
        for step in range(1000):
            writer.append(EvaluationFinished(step, 1.0 + step, False))
    assert not (run / EVENTS_FILE).read_bytes().endswith((b"}", b"\n"))
    disk.empty()
    writer.append(EvaluationFinished(2000, 1.0, True))
    writer.close()
    assert [e["step"] for e in read_events(run)[1:]] == [*range(step), 2000]


def writings(disk: SmallDisk, make_run: MakeRun) -> dict[str, tuple[Callable[[], object], Path]]:
    """The library's own writes, and the file or folder that each makes."""
    run = make_run(disk.folder / "runs" / "a", saves=(4, 8))
    details = read_details(run)
    checkpoint = run / "checkpoints" / "step-000008"
    many = [queued_run(TrainingConfig(name=f"run {n}" * 40)) for n in range(8)]
    long = parse_columns("prompt=" + "q" * 5000 + ",completion=a")
    queue, csv, copy = (disk.folder / name for name in (QUEUE_FILE, "a.csv", "copy"))
    shutil.rmtree(checkpoint.with_name("step-000004"))
    return {
        "label": (lambda: write_label(run, RunLabel("new", "n" * 5000)), run / "label.json"),
        "queue": (lambda: write_queue(queue, SavedQueue(tuple(many))), queue),
        "manifest": (lambda: update_manifest_pointers(run), run / "run.json"),
        "csv": (lambda: export_csv(details, csv), csv),
        "copy": (lambda: export_checkpoint(checkpoint, copy), copy),
        "columns": (lambda: remember_columns(run / "run.json", long), home_dir() / "columns.json"),
    }


def content(path: Path) -> object:
    if path.is_dir():
        return {p.name: p.read_bytes() for p in path.iterdir()}
    return path.read_bytes() if path.exists() else None


WRITTEN = ("label", "queue", "manifest", "csv", "copy", "columns")


@pytest.mark.parametrize("what", WRITTEN)
def test_a_full_disk_leaves_each_file_as_it_was_and_says_so(
    make_run: MakeRun, disk: SmallDisk, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    monkeypatch.setenv("NESTLING_HOME", str(disk.folder))
    write, path = writings(disk, make_run)[what]
    write_queue(disk.folder / QUEUE_FILE, SavedQueue((queued_run(TrainingConfig(name="old")),)))
    write_label(disk.folder / "runs" / "a", RunLabel("old"))
    before = content(path)
    disk.leave(0)
    with pytest.raises(AppError, match="The disk is full"):
        write()
    assert content(path) == before
    assert half_written(disk.folder) == []
    assert read_label(disk.folder / "runs" / "a").name == "old"
    assert [run.config.name for run in list(read_queue(disk.folder / QUEUE_FILE).runs)] == ["old"]
    disk.empty()
    write()
    assert content(path) != before


@pytest.mark.parametrize("what", WRITTEN)
def test_a_read_only_disk_is_read_and_says_so(
    make_run: MakeRun, disk: SmallDisk, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    monkeypatch.setenv("NESTLING_HOME", str(disk.folder))
    write, _ = writings(disk, make_run)[what]
    disk.set_read_only(True)
    try:
        (run,) = list_runs(runs_dir())
        assert (run.name, run.outcome, run.problem) == ("cats", "finished", "")
        assert len(read_details(run.run_dir).table) == 8
        with pytest.raises(AppError, match="no permission to write"):
            write()
    finally:
        disk.set_read_only(False)


def test_a_run_on_a_read_only_disk_is_not_resumed(
    pair: tuple[Path, dict[str, Any]], disk: SmallDisk
) -> None:
    run = disk.folder / "cut"
    shutil.copytree(pair[0], run)
    disk.set_read_only(True)
    try:
        with pytest.raises(AppError, match="no permission to write"):
            list(resume(run))
        assert list(read_steps(run).steps) == [1, 2, 3, 4]
    finally:
        disk.set_read_only(False)


def test_a_full_disk_costs_the_index_and_not_the_list(
    make_run: MakeRun, disk: SmallDisk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NESTLING_HOME", str(disk.folder))
    for name in "abc":
        make_run(disk.folder / "runs" / name)
    disk.leave(0)
    assert [run.run_dir.name for run in list_runs(runs_dir())] == ["c", "b", "a"]
    assert half_written(disk.folder) == []
    disk.empty()
    assert len(list_runs(runs_dir())) == 3
    assert list(cache_dir().iterdir())


@pytest.mark.parametrize("max_bytes", [1000, HEADER_BYTES + 150, 6000])
def test_files_that_may_not_grow_end_a_run_in_a_sentence(
    pair: tuple[Path, dict[str, Any]], tmp_path: Path, max_bytes: int
) -> None:
    """A second way to a full disk, for those who may not mount one: a limit on files' sizes."""
    run = tmp_path / "cut"
    shutil.copytree(pair[0], run)
    before = read_details(run)

    def limited() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (max_bytes, max_bytes))

    ended = subprocess.run(
        [sys.executable, "-B", "-m", "app", "resume", str(run), "--json"],
        capture_output=True, text=True, preexec_fn=limited, env=os.environ,
        timeout=PATIENCE_SECONDS,
    )  # fmt: skip
    assert ended.returncode == 2
    assert "Traceback" not in ended.stderr
    output = ended.stderr
    with suppress(ValueError, IndexError):
        output += json.loads(ended.stdout.splitlines()[-1]).get("message", "")
    assert "larger than this disk allows" in output
    assert half_written(run) == []
    after = read_details(run)
    assert len(after.table) >= len(before.table)
    assert len(after.checkpoints) >= len(before.checkpoints)
    list(resume(run))
    assert list(read_steps(run).steps) == list(range(1, STEPS + 1))


_WRITING = ("mkdir", "open", "write", "fsync", "replace")


class _FullAtCall:
    """The disk refuses the n-th of the calls that may need room, and names no file, as some do."""

    def __init__(self, number: int, monkeypatch: pytest.MonkeyPatch) -> None:
        self.left = number
        for name in _WRITING:
            monkeypatch.setattr(os, name, self._counted(name, getattr(os, name)))

    def _counted(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*args: Any, **kwargs: Any) -> Any:
            if name != "open" or args[1] & os.O_CREAT:
                self.left -= 1
                if self.left == 0:
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return call(*args, **kwargs)

        return counted


@pytest.mark.parametrize("number", range(1, 8))
def test_a_full_disk_while_a_run_is_created_is_reported_with_the_path(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "run"
    with monkeypatch.context() as patched:
        disk = _FullAtCall(number, patched)
        name = "log.txt" if number in (2, 7) else "run.json"
        path = folder if number == 1 else folder / name
        with pytest.raises(AppError, match=f"The disk is full: {path} could not.*then try again"):
            RunRecorder.create(folder, TrainingConfig(output=folder), {}).log("begun")
    assert disk.left == 0
    assert folder.exists() == (number == 7), "only the log's first line came after it was made"
