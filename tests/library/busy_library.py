"""A process that writes all the library's own files, over and over, until it kills itself.

python -m tests.library.busy_library RUN OTHER_RUN CHANGE: it dies at the change of a file of that
number, counted from the end of the second round.
"""

import itertools
import sys
from pathlib import Path

from app.core.column_mapping import parse_columns
from app.core.config.training_config import TrainingConfig
from app.core.events import CheckpointSaved, EvaluationFinished
from app.core.files.paths import home_dir, runs_dir
from app.library.column_mapping_store import remember_columns
from app.library.queue_store import QUEUE_FILE, SavedQueue, queued_run, write_queue
from app.library.reading.manifest_pointers import update_manifest_pointers
from app.library.reading.run_store import list_runs
from app.library.run.label import RunLabel, write_label
from app.library.run.metrics import read_steps
from app.library.run.recorder import RunRecorder
from tests.killed_at import die_at_change
from tests.library.made_up import made_up_step, run_started


def main(run: Path, other: Path, change: int) -> None:
    done = read_steps(run)
    size = 2048 + len(done) * done.rows.dtype.itemsize
    recorder = RunRecorder.reopen(run, size if len(done) else 0, None)
    recorder.record(run_started(run))
    step = len(done)
    for number in itertools.count():
        step += 1
        recorder.record(made_up_step(step))
        if number % 5 == 0:
            recorder.record(EvaluationFinished(step, 1.0, False))
            recorder.record(CheckpointSaved(step, run / "checkpoints" / "step-000004", 8))
        write_label(other, RunLabel(f"name {number}", f"notes {number} " * 300))
        runs = [queued_run(TrainingConfig(name=f"queued {number}")) for _ in range(3)]
        write_queue(home_dir() / QUEUE_FILE, SavedQueue(tuple(runs)))
        update_manifest_pointers(other)
        remember_columns(other / "run.json", parse_columns(f"prompt=q{number},completion=a"))
        list_runs(runs_dir())
        if number == 1:
            print("ready", flush=True)
            die_at_change(change)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]))
