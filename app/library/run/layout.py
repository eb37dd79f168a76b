"""Names of the files and folders in a run's folder. Knows no contents, and imports nothing."""

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
"""How stiffly a run that continues from the adapter is tied to each number of it. Optional."""
ADAPTER_FILES = (ADAPTER_FILE, ADAPTER_CONFIG_FILE)
"""An adapter as mlx-lm reads it."""
NEEDED_FILES = (*ADAPTER_FILES, OPTIMIZER_FILE, STATE_FILE)
CHECKPOINT_FILES = (*NEEDED_FILES, STIFFNESS_FILE)


def checkpoint_name(step: int) -> str:
    return f"step-{step:06d}"
