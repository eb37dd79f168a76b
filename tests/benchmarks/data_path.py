"""The way of a chat file to the first batch and the first step, beside mlx-lm's.

    python -m tests.benchmarks.data_path                        # 100,000 rows
    python -m tests.benchmarks.data_path --rows 1000000 --alone --only open  # ours alone, 1 GB

Every row of the table is a process of its own, so that peaks don't mix; they are summed over it
and its children, as `ps` reports them. The file and the store are removed afterwards.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
MODEL = ROOT / "resources" / "starter" / "model"
BATCH = 4
LIMIT = 1024


@dataclass(frozen=True)
class Measured:
    seconds: float
    """From the start of the process to its end, or to the line that was waited for."""
    cpu_seconds: float
    """Of all its processes, and of the `ps` that watches them."""
    peak_mb: float
    report: dict[str, Any]


def write_chats(path: Path, rows: int, seed: int = 0) -> None:
    """Chats of one to three questions, about 1 KB a row, of words found in this repository."""
    random = Random(seed)
    words = (ROOT / "README.md").read_text(encoding="utf-8").split()

    def text(mean: float) -> str:
        return " ".join(random.choices(words, k=max(3, int(random.lognormvariate(mean, 0.8)))))

    with path.open("w", encoding="utf-8") as file:
        for _ in range(rows):
            messages = [{"role": "system", "content": text(2)}] if random.random() < 0.3 else []
            for _ in range(random.choice((1, 1, 2, 3))):
                messages.append({"role": "user", "content": text(3.2)})
                messages.append({"role": "assistant", "content": text(3.6)})
            file.write(json.dumps({"messages": messages}, ensure_ascii=False) + "\n")


# -- what a process of its own does ------------------------------------------------------------


def open_ours(data: Path) -> dict[str, Any]:
    from app.core.files.paths import cache_dir
    from app.data.files.dataset_files import find_files
    from app.data.training_set.training_data import DataSettings, RowSettings
    from app.engine.batches.batches import BatchLoader
    from app.engine.runtime.mlx_runtime import import_mlx_lm
    from tests.at_once import open_data

    cache_dir()
    tokenizer = import_mlx_lm().load_tokenizer(MODEL)
    settings = DataSettings(RowSettings(mask_prompt=True), LIMIT, BATCH, validation_split=0.01)
    begun, cpu = time.perf_counter(), os.times()
    found = open_data(find_files(data), tokenizer, settings)
    batches = BatchLoader(found.train, BATCH, is_packed=True)
    next(batches.infinite(0))
    seconds, cpu_seconds = time.perf_counter() - begun, _processor(cpu)
    some = batches.epoch(0, 0)[:500]
    cells = sum(batches.batch(indexes).tokens.size for indexes in some)
    tokens = sum(int(found.train.lengths[indexes].sum()) for indexes in some)
    return {
        "seconds": seconds,
        "cpu_seconds": cpu_seconds,
        "tokens": int(found.train.lengths.sum() + found.valid.lengths.sum()),
        "shapes": len(batches.shapes),
        "padding": 1 - tokens / cells,
    }


def open_theirs(data: Path) -> dict[str, Any]:
    from types import SimpleNamespace

    from app.engine.runtime.mlx_runtime import import_mlx_lm

    tokenizer = import_mlx_lm().load_tokenizer(MODEL)
    from mlx_lm.tuner.datasets import CacheDataset, load_local_dataset

    begun, cpu = time.perf_counter(), os.times()
    train, _, _ = load_local_dataset(data.parent, tokenizer, SimpleNamespace(mask_prompt=True))
    rows = CacheDataset(train)
    tokens = sum(min(len(rows[i][0]), LIMIT) for i in range(len(rows)))
    return {
        "seconds": time.perf_counter() - begun,
        "cpu_seconds": _processor(cpu),
        "tokens": tokens,
    }


def _processor(since: os.times_result) -> float:
    now = os.times()
    return sum(now[:4]) - sum(since[:4])


def train_theirs(data: Path) -> dict[str, Any]:
    from mlx_lm import lora
    from mlx_lm.tuner.callbacks import TrainingCallback

    class Reporting(TrainingCallback):
        def on_train_loss_report(self, train_info: dict[str, Any]) -> None:
            print("first step done", flush=True)

    lora.get_reporting_callbacks = lambda *_, **__: Reporting()
    with tempfile.TemporaryDirectory() as folder:
        sys.argv = ["lora", "--train", "--model", str(MODEL), "--data", str(data.parent)]
        sys.argv += [
            "--iters",
            "1",
            "--steps-per-report",
            "1",
            "--num-layers",
            "-1",
            "--batch-size",
            str(BATCH),
        ]
        sys.argv += ["--max-seq-length", str(LIMIT), "--mask-prompt", "--adapter-path", folder]
        lora.main()
    return {}


PARTS: dict[str, Callable[[Path], dict[str, Any]]] = {
    "open-ours": open_ours,
    "open-theirs": open_theirs,
    "train-theirs": train_theirs,
}


# -- measuring ---------------------------------------------------------------------------------


def measured(command: list[str], home: Path, until: str = "") -> Measured:
    """Run it in a process of its own, to its end or until a line holds `until`."""
    environment = {**os.environ, "NESTLING_HOME": str(home), "PYTHONPATH": str(ROOT)}
    begun, cpu = time.perf_counter(), os.times()
    process = subprocess.Popen(
        [sys.executable, *command], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        cwd=ROOT, env=environment,
    )  # fmt: skip
    peak = _Peak(process.pid)
    last = ""
    assert process.stdout is not None
    for line in process.stdout:
        last = line
        if until and until in line:
            break
    seconds = time.perf_counter() - begun
    peak.stop()
    if until:
        process.terminate()
    process.communicate()
    if until not in last or (process.returncode and not until):
        raise SystemExit(f"{command} failed: {last}")
    report = {} if until else json.loads(last)
    return Measured(seconds, _processor(cpu), peak.kilobytes / 1024, report)


class _Peak:
    """The most memory that a process and all below it held at a time."""

    def __init__(self, process: int) -> None:
        self._process = process
        self.kilobytes = 0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()

    def stop(self) -> None:
        self._ended.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._ended.wait(0.1):
            listing = subprocess.run(
                ["ps", "-A", "-o", "pid=,ppid=,rss="], capture_output=True, text=True
            )
            rows = [tuple(map(int, line.split())) for line in listing.stdout.splitlines()]
            family = {self._process}
            while grown := {pid for pid, parent, _ in rows if parent in family} - family:
                family |= grown
            self.kilobytes = max(self.kilobytes, sum(r for pid, _, r in rows if pid in family))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--alone", action="store_true", help="leave mlx-lm out")
    parser.add_argument("--only", choices=("open", "train"), help="to the first batch, or step")
    parser.add_argument("--part", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.part:
        print(json.dumps(PARTS[arguments.part[0]](Path(arguments.part[1]))))
        return
    with tempfile.TemporaryDirectory() as folder:
        parts = [arguments.only] if arguments.only else ["open", "train"]
        _measure_all(Path(folder), arguments.rows, parts, not arguments.alone)


def _measure_all(folder: Path, rows: int, parts: list[str], with_theirs: bool) -> None:
    data = folder / "data" / "train.jsonl"
    data.parent.mkdir()
    write_chats(data, rows)
    time.sleep(3)  # a file written just now is hashed again at the next opening
    print(f"{rows:,} rows, {data.stat().st_size / 1e6:,.0f} MB, {os.cpu_count()} cores")
    if "open" in parts:
        _measure_opening(data, folder / "opened", with_theirs)
    if "train" in parts:
        _measure_start(data, folder, with_theirs)


def _part(name: str, data: Path) -> list[str]:
    return ["-m", "tests.benchmarks.data_path", "--part", name, str(data)]


def mlx_lm_part(data: Path) -> list[str]:
    """A command that prints "first step done" when `mlx_lm.lora` has made its first step."""
    return _part("train-theirs", data)


def _measure_opening(data: Path, home: Path, with_theirs: bool) -> None:
    ours = measured(_part("open-ours", data), home)
    _show("check, tokenise, first batch", ours)
    _show("second opening to the first batch", measured(_part("open-ours", data), home))
    print(f"  padding {ours.report['padding']:.1%} of the cells, {ours.report['shapes']} shapes")
    if with_theirs:
        theirs = measured(_part("open-theirs", data), home)
        _show("mlx-lm: load and tokenise all", theirs)
        for kind in ("seconds", "cpu_seconds"):
            ratio = (ours.report["tokens"] / ours.report[kind]) / (
                theirs.report["tokens"] / theirs.report[kind]
            )
            print(f"  tokens per {kind[:-1].replace('_', ' ')}: {ratio:.2f}×")


def _measure_start(data: Path, folder: Path, with_theirs: bool) -> None:
    home, marker = folder / "home", '"step_finished"'
    train = ["-m", "app", "train", "--model", str(MODEL), "--data", str(data), "--json"]
    train += ["--steps", "1", "--batch-size", str(BATCH), "--max-seq-length", str(LIMIT)]
    train += ["--validation-split", "0", "--mask-prompt", "--output"]
    _show("start to first step, never opened", measured([*train, str(folder / "1")], home, marker))
    _show("start to first step", measured([*train, str(folder / "2")], home, marker))
    if with_theirs:
        theirs = measured(mlx_lm_part(data), home, "first step done")
        _show("mlx-lm: start to first step", theirs)


def _show(what: str, found: Measured) -> None:
    inside = ""
    if found.report:
        speed = found.report["tokens"] / found.report["seconds"]
        inside = f"{found.report['seconds']:.2f} s of it, {speed:,.0f} tokens/s, "
        inside += f"{found.report['cpu_seconds']:.1f} s CPU of it"
    cost = f"{found.seconds:7.2f} s {found.cpu_seconds:7.1f} s CPU {found.peak_mb:7.0f} MB"
    print(f"{what:36} {cost}  {inside}", flush=True)


if __name__ == "__main__":
    main()
