import subprocess
import sys
from pathlib import Path

from tests.patience import PATIENCE_SECONDS

TRAIN_AND_LEAVE = """
import sys
from pathlib import Path
from PySide6.QtCore import QCoreApplication, QTimer
from app.core.config.training_config import TrainingConfig
from app.workers.background_job import JobEnded
from app.workers.compute_thread import ComputeThread
from app.workers.jobs.training import CheckpointRequest, training_job

application = QCoreApplication([])
compute = ComputeThread()
model, data, runs = (Path(argument) for argument in sys.argv[1:4])
leave_early = sys.argv[4]
config = TrainingConfig(model=model, data=data, steps=100_000 if leave_early == "yes" else 3)
def report(notice):
    if isinstance(notice, JobEnded):
        print(notice.ending)
        application.quit()
    elif leave_early == "yes" and hasattr(getattr(notice, "value", None), "loss"):
        QTimer.singleShot(0, application.quit)

compute.submit("Training", training_job(config, runs, CheckpointRequest()), report)
application.exec()
compute.shut_down()
print("end")
"""


def leave(model: Path, data: Path, runs: Path, early: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", TRAIN_AND_LEAVE, str(model), str(data), str(runs), early],
        capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False,
        cwd=Path(__file__).parents[2],
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "terminate called" not in done.stderr
    return done.stdout


def test_the_process_ends_cleanly_after_training_in_the_thread(
    tiny_model: Path, chat_file: Path, tmp_path: Path
) -> None:
    assert leave(tiny_model, chat_file, tmp_path / "runs", "no").split() == ["finished", "end"]


def test_leaving_in_mid_run_keeps_a_checkpoint_and_ends_cleanly(
    tiny_model: Path, chat_file: Path, tmp_path: Path
) -> None:
    assert leave(tiny_model, chat_file, tmp_path / "runs", "yes").split()[-1] == "end"
    assert list((tmp_path / "runs").glob("*/checkpoints/*/adapters.safetensors"))
