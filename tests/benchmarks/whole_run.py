"""A whole run as a user has it, beside `mlx_lm.lora`: a file never seen before → an adapter.

    python -m tests.benchmarks.whole_run                          # 6,000 chats, the starter
    python -m tests.benchmarks.whole_run --rows 60000 --rounds 1
    python -m tests.benchmarks.whole_run --model DIR --steps 50   # a real model

Both sides are processes of their own with their default settings, by turns, for the same number of
steps on the same rows. Ours reads one file; mlx-lm gets the rows in the folder that it asks for,
a tenth of them as its validation set. Processor time is that of all processes of a side.

On a CPU mlx-lm gets what makes it quick there: our BLAS, and no compiling (it calls the host's C++
compiler for every new shape; 100 steps then took over 9 minutes). `--as-it-is` leaves it alone.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

from tests.benchmarks.data_path import MODEL, write_chats

HELD_OUT = 0.1
_THEIRS = """
import json, os
if os.environ["AIDED"]:
    import app.engine  # MLX with a fast BLAS in front
from mlx_lm import lora

class Report:
    def on_val_loss_report(self, info):
        print(json.dumps({"validation": info["val_loss"], "seconds": info["val_time"]}))
    def on_train_loss_report(self, info):
        print(json.dumps({"step": info["iteration"], "arrays_mb": 1e3 * info["peak_memory"]}))

lora.get_reporting_callbacks = lambda *args, **options: Report()
lora.main()
"""


@dataclass(frozen=True)
class Run:
    seconds: float
    cpu_seconds: float
    peak_mb: float
    """Of the largest process's own memory, a CPU's."""
    arrays_mb: float
    """The peak of MLX's arrays, without freed ones that it keeps."""
    to_first_step: float
    validating: float
    losses: dict[str, float] = field(default_factory=dict)
    parts: dict[str, float] = field(default_factory=dict)
    """Where the seconds go, in the order of their beginning."""


@dataclass(frozen=True)
class Line:
    at: float
    """Seconds since the start of the process."""
    text: str


def ours(data: Path, model: Path, steps: int, folder: Path) -> Run:
    command = [
        "-m", "app", "train", "--json", "--data", str(data), "--model", str(model),
        "--steps", str(steps), "--output", str(folder / "run"),
    ]  # fmt: skip
    lines, usage = _process(command, folder, folder / "home")
    events = [(line.at, json.loads(line.text)) for line in lines if line.text.startswith("{")]
    begins = validating = arrays_mb = 0.0
    first: float | None = None
    losses = {}
    for at, event in events:
        kind = event["event"]
        if kind == "stage_changed" and event["stage"].startswith("Validating"):
            begins = begins or at
        elif kind == "evaluation_finished":
            validating += at - begins if begins else 0.0
            begins, losses["validation"] = 0.0, event["val_loss"]
        elif kind == "step_finished":
            first = first or at
            arrays_mb = max(arrays_mb, event["peak_memory_bytes"] / 1e6)
    parts = _parts(events, usage["seconds"])
    return Run(
        **usage, arrays_mb=arrays_mb, to_first_step=first or 0.0, validating=validating,
        losses=losses, parts=parts,
    )  # fmt: skip


def _parts(events: list[tuple[float, dict[str, Any]]], seconds: float) -> dict[str, float]:
    """What lies before an event belongs to the stage that the event before it began."""
    stage, since, parts = "Starting", 0.0, {}
    for at, event in [*events, (seconds, {"event": "end"})]:
        parts[stage] = parts.get(stage, 0.0) + at - since
        since = at
        if event["event"] == "stage_changed":
            stage = event["stage"]
        elif event["event"] in ("evaluation_finished", "step_finished"):
            stage = "Training"
        elif event["event"] == "run_finished":
            stage = "Ending"
    return {name: round(took, 1) for name, took in parts.items()}


def theirs(folder_of_rows: Path, model: Path, steps: int, folder: Path, *, is_aided: bool) -> Run:
    command = [
        "-c", _THEIRS, "--train", "--data", str(folder_of_rows), "--model", str(model),
        "--iters", str(steps), "--num-layers", "-1", "--steps-per-report", "1",
        "--adapter-path", str(folder / "adapter"),
    ]  # fmt: skip
    aids = {"AIDED": "1", "MLX_DISABLE_COMPILE": "1"} if is_aided else {"AIDED": ""}
    lines, usage = _process(command, folder, folder / "home", aids)
    events = [(line.at, json.loads(line.text)) for line in lines if line.text.startswith("{")]
    validated = [event for _, event in events if "validation" in event]
    return Run(
        **usage,
        arrays_mb=max(event["arrays_mb"] for _, event in events if "step" in event),
        to_first_step=next(at for at, event in events if "step" in event),
        validating=sum(event["seconds"] for event in validated),
        losses={"validation": validated[-1]["validation"]},
    )


def _process(
    command: list[str], folder: Path, home: Path, extra: Mapping[str, str] = {}
) -> tuple[list[Line], dict[str, float]]:
    """Its lines as they came, and what it used. Raises RuntimeError if it fails."""
    environment = {**os.environ, **extra, "NESTLING_HOME": str(home), "PYTHONUNBUFFERED": "1"}
    begun, lines = time.perf_counter(), []
    with (folder / "errors.txt").open("w+") as errors:
        process = subprocess.Popen(
            [sys.executable, *command], env=environment, stdout=subprocess.PIPE, stderr=errors,
            text=True,
        )  # fmt: skip
        assert process.stdout is not None
        for text in process.stdout:
            lines.append(Line(time.perf_counter() - begun, text))
        _, status, used = os.wait4(process.pid, 0)
        if status:
            errors.seek(0)
            raise RuntimeError(f"{' '.join(command)}: {errors.read()[-2000:]}")
    facts = {
        "seconds": time.perf_counter() - begun,
        "cpu_seconds": used.ru_utime + used.ru_stime,
        "peak_mb": used.ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10),
    }
    return lines, facts


def split_for_mlx_lm(data: Path, folder: Path) -> Path:
    folder.mkdir()
    rows = data.read_text(encoding="utf-8").splitlines(keepends=True)
    count = max(1, round(HELD_OUT * len(rows)))
    (folder / "valid.jsonl").write_text("".join(rows[:count]), encoding="utf-8")
    (folder / "train.jsonl").write_text("".join(rows[count:]), encoding="utf-8")
    return folder


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=6000)
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--model", type=Path, default=MODEL)
    parser.add_argument("--as-it-is", action="store_true", help="mlx-lm without help on a CPU")
    options = parser.parse_args()
    is_aided = sys.platform != "darwin" and not options.as_it_is
    sides: dict[str, list[Run]] = {"Nestling": [], "mlx_lm.lora": []}
    with tempfile.TemporaryDirectory() as name:
        top = Path(name)
        data = top / "chats.jsonl"
        write_chats(data, options.rows)
        rows = split_for_mlx_lm(data, top / "rows")
        for number in range(options.rounds):
            for side, work, given in (
                ("Nestling", ours, data),
                ("mlx_lm.lora", partial(theirs, is_aided=is_aided), rows),
            ):
                folder = top / f"{side}-{number}"
                folder.mkdir()
                sides[side].append(work(given, options.model.absolute(), options.steps, folder))
                print(f"{side}: {sides[side][-1]}", flush=True)
    print_table(sides)


def print_table(sides: dict[str, list[Run]]) -> None:
    one, other = sides.values()
    print("| | " + " | ".join(sides) + " | ratio |\n|---|---|---|---|")
    for name in ("seconds", "cpu_seconds", "to_first_step", "validating", "peak_mb", "arrays_mb"):
        a, b = (median(getattr(run, name) for run in runs) for runs in (one, other))
        print(f"| {name} | {a:.1f} | {b:.1f} | {a / b if b else float('nan'):.2f} |")
    shares = [median(run.validating / run.seconds for run in runs) for runs in (one, other)]
    print(f"| validating, of the whole | {shares[0]:.0%} | {shares[1]:.0%} | |")


if __name__ == "__main__":
    main()
