"""A whole run as a user has it, beside `mlx_lm.lora`: a file never seen before → an adapter.

    python -m tests.benchmarks.whole_run                          # 6,000 chats, the starter
    python -m tests.benchmarks.whole_run --rows 60000 --rounds 1
    python -m tests.benchmarks.whole_run --model DIR --steps 50   # a real model

Both sides are processes of their own with their default settings, by turns, for the same number of
steps on the same rows. Ours reads one file; mlx-lm gets the rows in the folder that it asks for,
a tenth of them as its validation set. Processor time is that of all processes of a side.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from tests.benchmarks.data_path import MODEL, write_chats

HELD_OUT = 0.1


@dataclass(frozen=True)
class Run:
    seconds: float
    cpu_seconds: float
    peak_mb: float
    """Of the largest process."""
    to_first_step: float
    validating: float
    losses: dict[str, float] = field(default_factory=dict)


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
    begins = validating = 0.0
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
    return Run(**usage, to_first_step=first or 0.0, validating=validating, losses=losses)


def theirs(folder_of_rows: Path, model: Path, steps: int, folder: Path) -> Run:
    command = [
        "-m", "mlx_lm", "lora", "--train", "--data", str(folder_of_rows), "--model", str(model),
        "--iters", str(steps), "--num-layers", "-1", "--adapter-path", str(folder / "adapter"),
    ]  # fmt: skip
    lines, usage = _process(command, folder, folder / "home")
    validated = [line for line in lines if "Val loss" in line.text]
    took = [float(line.text.split("Val took ")[1].split("s")[0]) for line in validated]
    losses = {"validation": float(validated[-1].text.split("Val loss ")[1].split(",")[0])}
    # Its first step follows its first validation; no line says when it is done.
    first = validated[0].at
    return Run(**usage, to_first_step=first, validating=sum(took), losses=losses)


def _process(command: list[str], folder: Path, home: Path) -> tuple[list[Line], dict[str, float]]:
    """Its lines as they came, and what it used. Raises RuntimeError if it fails."""
    environment = {**os.environ, "NESTLING_HOME": str(home), "PYTHONUNBUFFERED": "1"}
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
    options = parser.parse_args()
    sides: dict[str, list[Run]] = {"Nestling": [], "mlx_lm.lora": []}
    with tempfile.TemporaryDirectory() as name:
        top = Path(name)
        data = top / "chats.jsonl"
        write_chats(data, options.rows)
        rows = split_for_mlx_lm(data, top / "rows")
        for number in range(options.rounds):
            for side, work, given in (("Nestling", ours, data), ("mlx_lm.lora", theirs, rows)):
                folder = top / f"{side}-{number}"
                folder.mkdir()
                sides[side].append(work(given, options.model.absolute(), options.steps, folder))
                print(f"{side}: {sides[side][-1]}", flush=True)
    print_table(sides)


def print_table(sides: dict[str, list[Run]]) -> None:
    one, other = sides.values()
    print("| | " + " | ".join(sides) + " | ratio |\n|---|---|---|---|")
    for name in ("seconds", "cpu_seconds", "to_first_step", "validating", "peak_mb"):
        a, b = (median(getattr(run, name) for run in runs) for runs in (one, other))
        print(f"| {name} | {a:.1f} | {b:.1f} | {a / b if b else float('nan'):.2f} |")
    shares = [median(run.validating / run.seconds for run in runs) for runs in (one, other)]
    print(f"| validating, of the whole | {shares[0]:.0%} | {shares[1]:.0%} | |")


if __name__ == "__main__":
    main()
