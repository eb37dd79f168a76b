"""The app as a process of its own: it trains by itself, and ends with 0 when it is interrupted."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from app.core.files.paths import runs_dir
from tests.cli.on_a_terminal import OnATerminal
from tests.patience import PATIENCE_SECONDS

START = """
import sys
from pathlib import Path
from app.launch import run_app
from app.core.config.training_config import TrainingConfig
from app.core.events import StepFinished
from app.library.run.recorder import RunRecorder

record = RunRecorder.record

def record_and_tell(recorder, event):
    record(recorder, event)
    if isinstance(event, StepFinished) and event.step == 1:
        print("a step is recorded", flush=True)

RunRecorder.record = record_and_tell
config = TrainingConfig(model=Path(sys.argv[1]), data=Path(sys.argv[2]), steps=1_000_000)
sys.exit(run_app(["nestling"], config=config, autostart=True))
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_keeps_a_checkpoint_and_the_process_ends_cleanly(
    tiny_model: Path, chat_file: Path, number: signal.Signals
) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", START, str(tiny_model), str(chat_file)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2],
    ) as process:  # fmt: skip
        assert process.stdout is not None
        assert process.stdout.readline() == "a step is recorded\n"
        process.send_signal(number)
        _, errors = process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode == 0, errors
    assert "terminate called" not in errors
    assert list(runs_dir().glob("*/checkpoints/*/adapters.safetensors"))


def test_a_closed_terminal_ends_the_window_with_a_checkpoint_of_its_run(
    tiny_model: Path, chat_file: Path
) -> None:
    with OnATerminal([sys.executable, "-c", START, str(tiny_model), str(chat_file)]) as window:
        window.read_until(b"a step is recorded")
        window.close()
        assert window.process.wait(timeout=PATIENCE_SECONDS) == 0
    assert list(runs_dir().glob("*/checkpoints/*/adapters.safetensors"))
