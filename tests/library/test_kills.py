"""`kill -9` while the library writes its own files: each is the old one or the new one, whole."""

import random
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from app.core.files.paths import home_dir, runs_dir
from app.library.column_mapping_store import remembered_columns
from app.library.queue_store import QUEUE_FILE, read_queue
from app.library.reading.run_details import read_details
from app.library.reading.run_store import list_runs
from app.library.run.label import read_label
from app.library.run.metrics import read_events, read_steps
from tests.patience import PATIENCE_SECONDS

MakeRun = Callable[..., Path]


CHANGES = 780
"""Of files, by five rounds of the busy library."""


def kill_at_random(run: Path, other: Path, luck: random.Random) -> None:
    change = luck.randrange(1, CHANGES)
    ended = subprocess.run(
        [sys.executable, "-m", "tests.library.busy_library", str(run), str(other), str(change)],
        capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False,
    )  # fmt: skip
    assert (ended.returncode, ended.stdout, ended.stderr) == (-signal.SIGKILL, "ready\n", "")


def look(run: Path, other: Path, known: int) -> int:
    """Everything can be read and belongs together; how many steps there are now."""
    runs = {found.run_dir: found for found in list_runs(runs_dir())}
    assert [found.problem for found in runs.values()] == ["", ""]
    assert runs[run].outcome == "interrupted"
    label = read_label(other)
    number = label.name.removeprefix("name ")
    assert label.notes == f"notes {number} " * 300
    queue = list(read_queue(home_dir() / QUEUE_FILE).runs)
    assert len({waiting.config.name for waiting in queue}) == 1
    assert len(queue) == 3
    assert str(remembered_columns(other / "run.json")).startswith("prompt=q")
    details = read_details(run)
    steps = list(read_steps(run).steps)
    assert steps == list(range(1, len(steps) + 1))
    assert len(steps) >= max(known, details.summary.steps)
    saved = [event["step"] for event in read_events(run) if event["event"] == "checkpoint_saved"]
    assert saved == sorted(saved)
    return len(steps)


def campaign(make_run: MakeRun, kills: int, seed: int) -> None:
    run = make_run(runs_dir() / "a", outcome=None, saves=(4, 8))
    other = make_run(runs_dir() / "b", saves=(4, 8))
    luck, known = random.Random(seed), 8
    for _ in range(kills):
        kill_at_random(run, other, luck)
        known = look(run, other, known)
    # Half-written files are the last kill's, not every one's.
    assert len(list(home_dir().rglob("*.partial"))) <= 1
    assert known > kills


def test_a_kill_leaves_every_file_of_the_library_whole(make_run: MakeRun) -> None:
    campaign(make_run, 4, 21)


@pytest.mark.slow
def test_sixty_kills_leave_every_file_of_the_library_whole(make_run: MakeRun) -> None:
    campaign(make_run, 60, 2)
