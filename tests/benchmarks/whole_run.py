"""A whole run as a user has it, beside `mlx_lm.lora`: a file never seen before → an adapter.

    python -m tests.benchmarks.whole_run                          # 6,000 chats, the starter
    python -m tests.benchmarks.whole_run --rows 60000 --rounds 1
    python -m tests.benchmarks.whole_run --model DIR --steps 50   # a real model

All sides are processes of their own, by turns, for the same number of steps on the same rows:
Nestling with its default settings (Learn and keep), Nestling with plain AdamW, and mlx-lm with its
own. Ours read one file; mlx-lm gets the rows in the folder that it asks for, a tenth of them as its
validation set. Processor time is that of all processes of a side. At the end both adapters are
loaded by mlx-lm, and its model's own code takes the loss of the replies in rows that none has seen.

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
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

from tests.benchmarks.data_path import MODEL, write_chats

HELD_OUT = 0.1
SIDES = ("Nestling", "one pace", "mlx_lm.lora")
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
_SCORE = """
import json, sys
import app.engine
import mlx.core as mx, mlx.nn as nn, mlx_lm

model, tokenizer = mlx_lm.load(sys.argv[1], adapter_path=sys.argv[2])
total, count = 0.0, 0
for line in open(sys.argv[3], encoding="utf-8"):
    messages = json.loads(line)["messages"]
    def tokens(end, **more):
        return tokenizer.apply_chat_template(messages[:end], return_dict=False, **more)
    whole = mx.array(tokens(None))[:2048]
    losses = nn.losses.cross_entropy(model(whole[None, :-1])[0].astype(mx.float32), whole[1:])
    for number, message in enumerate(messages):
        if message["role"] == "assistant":
            first = len(tokens(number, add_generation_prompt=True)) - 1
            reply = losses[first : len(tokens(number + 1)) - 1]
            total, count = total + reply.sum().item(), count + reply.size
print(total / count)
"""
UNSEEN_ROWS = 64


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


def ours(data: Path, model: Path, steps: int, folder: Path, options: tuple[str, ...] = ()) -> Run:
    command = [
        "-m", "app", "train", "--json", "--data", str(data), "--model", str(model),
        "--steps", str(steps), "--output", str(folder / "run"), *options,
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
    parser.add_argument("--sides", nargs="+", choices=SIDES, default=SIDES)
    options = parser.parse_args()
    is_aided = sys.platform != "darwin" and not options.as_it_is
    sides: dict[str, list[Run]] = {name: [] for name in options.sides}
    with tempfile.TemporaryDirectory() as name:
        top = Path(name)
        data, unseen = top / "chats.jsonl", top / "unseen.jsonl"
        write_chats(data, options.rows)
        write_chats(unseen, UNSEEN_ROWS, seed=1)
        rows = split_for_mlx_lm(data, top / "rows")
        work: dict[str, Callable[..., Run]] = {
            "Nestling": partial(ours, data),
            "one pace": partial(ours, data, options=("--preset", "one-pace")),
            "mlx_lm.lora": partial(theirs, rows, is_aided=is_aided),
        }
        for number in range(options.rounds):
            for side, runs in sides.items():
                folder = top / f"{side}-{number}"
                folder.mkdir()
                model = options.model.absolute()
                run = work[side](model, options.steps, folder)
                run.losses["unseen replies"] = score(model, folder, unseen)
                runs.append(run)
                print(f"{side}: {run}", flush=True)
    print_table(sides)


def score(model: Path, folder: Path, rows: Path) -> float:
    """The mean loss of the replies in `rows`, in nats a token, with the adapter below `folder`."""
    adapter = max(folder.rglob("adapters.safetensors"), key=lambda file: file.stat().st_mtime)
    command = ["-c", _SCORE, str(model), str(adapter.parent), str(rows)]
    lines, _ = _process(command, folder, folder / "home")
    return float(lines[-1].text)


def print_table(sides: dict[str, list[Run]]) -> None:
    print("| | " + " | ".join(sides) + " |\n|---|" + "---|" * len(sides))
    for name in ("seconds", "cpu_seconds", "to_first_step", "validating", "peak_mb", "arrays_mb"):
        print_row(name, [[getattr(run, name) for run in runs] for runs in sides.values()])
    print_row("unseen loss", [[one.losses["unseen replies"] for one in s] for s in sides.values()])
    shares = [median(run.validating / run.seconds for run in runs) for runs in sides.values()]
    print("| validating, of the whole | " + " | ".join(f"{share:.0%}" for share in shares) + " |")


def print_row(name: str, figures: list[list[float]]) -> None:
    """The medians, and how many times the last side's each is."""
    *_, last = medians = [median(side) for side in figures]
    cells = [f"{one:.4g} ({one / last:.2f}×)" if last else f"{one:.4g}" for one in medians]
    print(f"| {name} | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
