"""The app as a process of its own: it trains by itself, and ends with 0 when it is interrupted."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from app.core.paths import runs_dir
from app.library.metrics import read_steps
from tests.cli.on_a_terminal import OnATerminal

START = """
import sys
from pathlib import Path
from app.application import run_app
from app.core.config import TrainingConfig

config = TrainingConfig(model=Path(sys.argv[1]), data=Path(sys.argv[2]), steps=1_000_000)
sys.exit(run_app(["nestling"], config=config, autostart=True))
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_keeps_a_checkpoint_and_the_process_ends_cleanly(
    tiny_model: Path, chat_file: Path, number: signal.Signals
) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", START, str(tiny_model), str(chat_file)],
        stderr=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2],
    ) as process:  # fmt: skip
        wait_for_a_step()
        process.send_signal(number)
        _, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    assert "terminate called" not in errors
    assert list(runs_dir().glob("*/checkpoints/*/adapters.safetensors"))


def test_a_closed_terminal_ends_the_window_with_a_checkpoint_of_its_run(
    tiny_model: Path, chat_file: Path
) -> None:
    with OnATerminal([sys.executable, "-c", START, str(tiny_model), str(chat_file)]) as window:
        wait_for_a_step()
        window.close()
        assert window.process.wait(timeout=120) == 0
    assert list(runs_dir().glob("*/checkpoints/*/adapters.safetensors"))


def wait_for_a_step() -> None:
    """Until the run's metrics tell of a step."""
    ends = time.monotonic() + 120
    while time.monotonic() < ends:
        if any(len(read_steps(file.parent)) for file in runs_dir().glob("*/metrics.bin")):
            return
        time.sleep(0.05)
    pytest.fail("no step came")
