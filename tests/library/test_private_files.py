"""Private texts in a run's files are readable by the user alone, from the first byte on."""

import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from app.core.column_mapping import parse_columns
from app.core.config.training_config import TrainingConfig
from app.core.files.paths import cache_dir, home_dir, runs_dir
from app.core.progress import drain
from app.data.tokens.store_files import MANIFEST, STORE_FILES
from app.engine.training.trainer import resume, train
from app.library.column_mapping_store import remember_columns
from app.library.queue_store import QUEUE_FILE, SavedQueue, queued_run, write_queue
from app.library.reading.metrics_csv import export_csv
from app.library.reading.run_details import read_details
from app.library.reading.run_store import list_runs
from app.library.run.label import RunLabel, write_label
from app.library.run.layout import CHECKPOINT_FILES, CHECKPOINTS, RUN_FILES
from app.library.run.run_folder import copy_run_in_steps
from tests.at_once import export_checkpoint


@pytest.fixture(autouse=True)
def _open_handed() -> Iterator[None]:
    before = os.umask(0o022)
    yield
    os.umask(before)


def open_to_others(folder: Path) -> list[str]:
    found = (folder, *folder.rglob("*"))
    return [str(path) for path in found if stat.S_IMODE(path.lstat().st_mode) & 0o077]


def check_names(run_dir: Path) -> None:
    """All files are of names that are known to be a run's: only those are ever removed."""
    inner = [path.name for path in run_dir.glob("checkpoints/step-*/*")]
    assert {path.name for path in run_dir.iterdir()} == {*RUN_FILES, CHECKPOINTS}
    assert set(inner) == set(CHECKPOINT_FILES)
    kept = [path.name for path in cache_dir().glob("tokens/*/*")]
    assert {MANIFEST, "tokens"} < set(kept) <= set(STORE_FILES)


def test_all_that_is_kept_at_home_is_the_user_s_alone(
    tiny_model: Path, chat_file: Path, tmp_path: Path
) -> None:
    config = TrainingConfig(
        model=tiny_model, data=chat_file, steps=3, rank=2, steps_per_save=1, steps_per_eval=1
    )
    list(train(config, runs_dir=runs_dir(), stop_after=2))
    (row,) = list_runs(runs_dir())
    list(resume(row.run_dir, checkpoint="step-000001"))
    write_label(row.run_dir, RunLabel("mine"))
    write_queue(home_dir() / QUEUE_FILE, SavedQueue((queued_run(config),)))
    remember_columns(chat_file, parse_columns("text=body"))
    list_runs(runs_dir())
    kept = {path.name for path in home_dir().rglob("*")}
    assert kept >= {"log.txt", "metrics.bin", "tokens", "problems", "library.json", "set-aside-1"}
    assert open_to_others(home_dir()) == []
    check_names(row.run_dir)
    copy = drain(copy_run_in_steps(row.run_dir, tmp_path / "copy"))
    assert open_to_others(copy) == []


def test_a_run_that_others_could_read_is_closed_to_them_when_it_resumes(
    tiny_model: Path, chat_file: Path
) -> None:
    config = TrainingConfig(model=tiny_model, data=chat_file, steps=2, rank=2)
    list(train(config, runs_dir=runs_dir(), stop_after=1))
    (row,) = list_runs(runs_dir())
    for path in (row.run_dir, *row.run_dir.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
    list(resume(row.run_dir))
    left = {Path(path).relative_to(row.run_dir).parts[0] for path in open_to_others(row.run_dir)}
    assert left == {"checkpoints"}  # what is within a closed folder is closed


def test_a_cache_that_others_could_look_into_is_closed_to_them(
    tiny_model: Path, chat_file: Path
) -> None:
    (cache_dir() / "tokens").mkdir(parents=True)
    config = TrainingConfig(model=tiny_model, data=chat_file, steps=1, rank=2)
    list(train(config, runs_dir=runs_dir()))
    assert open_to_others(cache_dir() / "tokens") == []


def test_what_the_user_exports_is_as_open_as_their_other_files(
    make_run: Callable[..., Path], tmp_path: Path
) -> None:
    run = make_run(tmp_path / "r", saves=(4, 8))
    adapter = export_checkpoint(run / "checkpoints" / "step-000008", tmp_path / "adapter")
    table = export_csv(read_details(run), tmp_path / "table.csv")
    modes = {stat.S_IMODE(path.stat().st_mode) for path in (*adapter.iterdir(), table)}
    assert (modes, stat.S_IMODE(adapter.stat().st_mode)) == ({0o644}, 0o755)
