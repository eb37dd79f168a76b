"""A disk without file locks: a run trains on it and says so; it is not "another program"."""

import errno
import fcntl
import os
import subprocess
import sys
from pathlib import Path

import pytest

from app.core.config.training_config import TrainingConfig
from app.core.errors import InputError
from app.core.events import LogMessage, RunFinished
from app.core.files.paths import runs_dir
from app.data.tokens.cache import stores_dir
from app.engine.training.trainer import resume, train
from app.library.reading.run_store import list_runs
from app.library.run.layout import LOG_FILE
from app.library.run.run_lock import RunLock, is_locked
from tests.patience import PATIENCE_SECONDS

NO_LOCKS = [errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL]
BUSY = [errno.EWOULDBLOCK, errno.EACCES]

WITHOUT_LOCKS = """
import errno, fcntl, sys
def flock(*_):
    raise OSError(errno.ENOLCK, "No locks available")
fcntl.flock = flock
from app.__main__ import main
sys.exit(main())
"""


def fail_with(number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def flock(_descriptor: int, _operation: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", flock)


@pytest.mark.parametrize("number", NO_LOCKS)
def test_a_disk_without_locks_is_no_other_program(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    fail_with(number, monkeypatch)
    assert not is_locked(tmp_path)
    claim = RunLock(tmp_path)
    assert "no file locks" in claim.warning
    assert is_locked(tmp_path)  # by this process
    with pytest.raises(InputError, match="another program"):
        RunLock(tmp_path)
    claim.release()
    assert not is_locked(tmp_path)
    RunLock(tmp_path).release()


@pytest.mark.parametrize("number", BUSY)
def test_a_lock_that_another_has_is_another_program(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    (tmp_path / LOG_FILE).write_text("")
    fail_with(number, monkeypatch)
    assert is_locked(tmp_path)
    with pytest.raises(InputError, match="another program"):
        RunLock(tmp_path)


def test_a_run_without_locks_trains_resumes_and_says_so_each_time(
    tiny_model: Path, chat_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fail_with(errno.ENOLCK, monkeypatch)
    config = TrainingConfig(model=tiny_model, data=chat_file, steps=2, rank=2)
    first = list(train(config, runs_dir=runs_dir(), stop_after=1))
    end = first[-1]
    assert isinstance(end, RunFinished)
    second = list(resume(end.run_dir))
    for events in (first, second):
        (warning,) = [e for e in events if isinstance(e, LogMessage) and "no file locks" in e.text]
        assert warning.is_warning
    assert [run.outcome for run in list_runs(runs_dir())] == ["finished"]
    assert (end.run_dir / LOG_FILE).read_text().count("no file locks") == 2
    (store,) = [entry for entry in stores_dir().iterdir() if entry.is_dir()]
    assert not store.suffix


def test_the_terminal_trains_without_locks_and_makes_one_folder(
    tiny_model: Path, chat_file: Path
) -> None:
    arguments = ["train", "--model", tiny_model, "--data", chat_file, "--steps", "1", "--rank", "2"]
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_LOCKS, *map(str, arguments)],
        capture_output=True, text=True, timeout=PATIENCE_SECONDS,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert "no file locks" in done.stdout
    assert len(os.listdir(runs_dir())) == 1
