"""Checks a run: its worker processes, its steps, resuming, exporting."""

import multiprocessing
import os
import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from app.core.config.training_config import TierConfig, TrainingConfig
from app.core.errors import RunError
from app.core.events import RunFinished, StepFinished
from app.core.files.paths import starter_dir, starter_model_dir
from app.core.progress import drain
from app.library.run.layout import checkpoint_folder
from app.self_test.component_checks import QUESTION, REPLY

STEPS, STOP_AFTER = 4, 2
ROWS = {"train.jsonl": 16, "valid.jsonl": 2}
RUN = "run"


def short_run(folder: Path) -> TrainingConfig:
    """Four steps of two tiers on some rows of the sample data; all its files are in `folder`."""
    data = folder / "data"
    data.mkdir()
    for name, count in ROWS.items():
        rows = (starter_dir() / "sample" / name).read_bytes().splitlines(keepends=True)
        (data / name).write_bytes(b"".join(rows[:count]))
    return TrainingConfig(
        model=starter_model_dir(), data=data, output=folder / RUN, name="self-test",
        tiers=(TierConfig(1), TierConfig(2)), steps=STEPS, batch_size=2, learning_rate=1e-3,
        rank=4, warmup_steps=0, steps_per_eval=STEPS, steps_per_save=STEPS,
    )  # fmt: skip


def check_processes(_: Path) -> str:
    """A process beside this one has the app's modules and the tokenizer, and no MLX."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        number, tokens, has_mlx = pool.submit(_tokenize_there, str(starter_model_dir())).result()
    if number == os.getpid() or has_mlx:
        raise RunError("A process that tokenizes has MLX in memory, or is this one itself.")
    return f"process {number} made {tokens} tokens without MLX"


def _tokenize_there(model: str) -> tuple[int, int, bool]:
    from app.models.tokenizer_without_mlx import load_tokenizer_without_mlx

    tokenizer = load_tokenizer_without_mlx(Path(model))
    tokens = len(tokenizer.encode(REPLY)) if tokenizer is not None else 0
    return os.getpid(), tokens, "mlx.core" in sys.modules


def check_run(folder: Path) -> str:
    """A run is stopped, resumed and ends, its updates verified in the weights, and is exported."""
    from app.engine.runtime.mlx_runtime import uses_compile
    from app.engine.training.trainer import resume, train

    config, run_dir = short_run(folder), folder / RUN
    events = [*train(config, stop_after=STOP_AFTER), *resume(run_dir)]
    steps = [event for event in events if isinstance(event, StepFinished)]
    endings = [event.outcome for event in events if isinstance(event, RunFinished)]
    if [step.step for step in steps] != list(range(1, STEPS + 1)):
        raise RunError(f"The run made the steps {[step.step for step in steps]}, not 1 to {STEPS}.")
    if endings != ["stopped", "finished"]:
        last = [event.message for event in events if isinstance(event, RunFinished)][-1]
        raise RunError(f"The run ended {' and '.join(endings)}: {last}")
    if [step.fired for step in steps] != [(0,), (0, 1)] * (STEPS // 2):
        raise RunError(f"The tiers fired {[step.fired for step in steps]}.")
    exported = _export(run_dir, folder)
    how = "compiled" if uses_compile() else "not compiled on the CPU"
    return (
        f"{STEPS} steps ({how}), resumed after {STOP_AFTER}; loss {steps[0].loss:.2f} to "
        f"{steps[-1].loss:.2f}, each update verified; {exported}"
    )


def _export(run_dir: Path, folder: Path) -> str:
    """Export the last checkpoint, and have mlx-lm load what was exported."""
    from app.engine.adapter.adapter import largest_logit_change
    from app.library.reading.run_store import export_checkpoint_in_steps

    adapter = folder / "adapter"
    drain(export_checkpoint_in_steps(checkpoint_folder(run_dir, STEPS), adapter))
    change = largest_logit_change(starter_model_dir(), adapter, QUESTION)
    if not change > 0:
        raise RunError("The exported adapter leaves the base model's logits as they are.")
    return f"the exported adapter moves logits by {change:.3g}"
