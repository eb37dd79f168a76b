"""The layout of a run's folder, shared by engine and library: names of files and folders.

Knows no contents.
"""

from pathlib import Path

MANIFEST_FILE = "run.json"
LOG_FILE = "log.txt"
LABEL_FILE = "label.json"
STEPS_FILE, EVENTS_FILE = "metrics.bin", "events.jsonl"
METRICS_FILES = (STEPS_FILE, EVENTS_FILE)
RUN_FILES = (MANIFEST_FILE, LOG_FILE, LABEL_FILE, *METRICS_FILES)

CHECKPOINTS = "checkpoints"
START = "start"
"""The folder of the adapter that the run started from."""

ADAPTER_FILE = "adapters.safetensors"
ADAPTER_CONFIG_FILE = "adapter_config.json"
OPTIMIZER_FILE, STATE_FILE = "optimizer.safetensors", "state.json"
STIFFNESS_FILE = "stiffness.safetensors"
"""Per parameter, how strongly a run that continues from the adapter is pulled back. Optional."""
ADAPTER_FILES = (ADAPTER_FILE, ADAPTER_CONFIG_FILE)
"""An adapter as mlx-lm reads it."""
NEEDED_FILES = (*ADAPTER_FILES, OPTIMIZER_FILE, STATE_FILE)
CHECKPOINT_FILES = (*NEEDED_FILES, STIFFNESS_FILE)


def checkpoint_name(step: int) -> str:
    return f"step-{step:06d}"


def checkpoint_folder(run_dir: Path, step: int) -> Path:
    return run_dir / CHECKPOINTS / checkpoint_name(step)


def checkpoint_step(folder: Path) -> int:
    """-1 if the folder is no checkpoint."""
    digits = folder.name.removeprefix("step-")
    is_step = folder.name.startswith("step-") and digits.isdecimal() and digits.isascii()
    return int(digits) if is_step and len(digits) < 12 else -1


def run_of_checkpoint(folder: Path) -> Path | None:
    """The folder of the run that a checkpoint lies in; None for an adapter elsewhere."""
    run_dir = folder.parent.parent
    is_in_run = folder.parent.name == CHECKPOINTS and (run_dir / MANIFEST_FILE).is_file()
    return run_dir if is_in_run else None
