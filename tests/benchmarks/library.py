"""The library at its sizes: a thousand runs, a run of a million steps; what recording costs.

python -m tests.benchmarks.library            # everything
python -m tests.benchmarks.library long_run   # some of it: recording, many_runs, long_run
"""

import os
import shutil
import statistics
import sys
import tempfile
import time
import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

import numpy as np

from app.core.config.training_config import TierConfig, TrainingConfig
from app.core.events import (
    CheckpointSaved,
    EvaluationFinished,
    RunFinished,
    RunStarted,
    StepFinished,
    TierFacts,
)
from app.library.run.metrics import MetricsWriter
from app.library.run.recorder import RunRecorder
from app.library.run.step_table import record_type

if TYPE_CHECKING:
    from app.library.reading.run_summary import RunSummary
    from app.ui.runs.runs_view import RunsView

RUNS, STEPS, SAVES = 1000, 10_000, (2500, 5000, 7500, 10_000)
MANY = 1_000_000


def main() -> None:
    home = Path(tempfile.mkdtemp(prefix="nestling-library-"))
    os.environ["NESTLING_HOME"] = str(home)
    parts = (recording, many_runs, long_run)
    try:
        for part in parts:
            if part.__name__ in sys.argv[1:] or not sys.argv[1:]:
                part(home)
    finally:
        shutil.rmtree(home)


def say(what: str, value: float, unit: str, bound: str) -> None:
    print(f"{what:<62} {value:10.3f} {unit:<6} {bound}", flush=True)


def timed(work: Callable[[], object], times: int = 5) -> float:
    """The median time of a call, in seconds."""
    taken = []
    for _ in range(times):
        begun = time.perf_counter()
        work()
        taken.append(time.perf_counter() - begun)
    return statistics.median(taken)


def began(run_dir: Path, steps: int, tiers: int, layers: int) -> RunStarted:
    facts = tuple(TierFacts(2**t, 1.0, 10, (t,), f"layer {t}") for t in range(tiers))
    return RunStarted(
        run_dir, "run", "model", steps, 1000, 20, facts, tuple(range(layers)), 36, 4, 9, "cpu"
    )


def a_step(number: int, tiers: int, layers: int) -> StepFinished:
    fired = tuple(t for t in range(tiers) if number % 2**t == 0)
    return StepFinished(
        number, 2.5, 1e-4, 100 * number, 900.0, 10**9, fired, (0.01,) * tiers, (1,) * tiers,
        (0.5,) * tiers, (0.003,) * layers, 1.0, False,
    )  # fmt: skip


# -- recording ---------------------------------------------------------------------------------


def recording(home: Path) -> None:
    folder = home / "recording"
    folder.mkdir()
    for tiers, layers in ((3, 8), (8, 64)):
        writer = MetricsWriter(folder)
        writer.append(began(folder, 2000, tiers, layers))
        step = a_step(1, tiers, layers)
        begun = time.perf_counter()
        for number in range(1, 2001):
            writer.append(replace(step, step=number))
        each = (time.perf_counter() - begun) / 2000
        writer.close()
        say(f"recording a step, {tiers} tiers, {layers} layers", 1e6 * each, "µs", "")
        say("  of a step of 20 ms", 100 * each / 0.020, "%", "<= 0.5")
        say("  on disk", record_type(tiers, layers).itemsize, "bytes", "<= 200")


# -- a thousand runs ---------------------------------------------------------------------------


def write_metrics(path: Path, steps: int, tiers: int, layers: int) -> None:
    """As the recorder would, but all at once."""
    writer = MetricsWriter(path)
    writer.append(began(path, steps, tiers, layers))
    writer.close()
    kind = record_type(tiers, layers)
    luck = np.random.default_rng(0)
    with (path / "metrics.bin").open("ab") as file:
        for first in range(1, steps + 1, 100_000):
            number = np.arange(first, min(steps, first + 99_999) + 1)
            rows = np.zeros(len(number), kind)
            rows["step"], rows["seconds"] = number, number / 50
            rows["loss"] = 1 + 2 * np.exp(-number / steps * 5) + luck.normal(0, 0.2, len(number))
            rows["trained_tokens"], rows["learning_rate"] = 100 * number, 1e-4
            for tier in range(tiers):
                moved = number % 2**tier == 0
                rows["fired"] |= (moved << tier).astype(np.uint8)
                rows["deltas"][:, tier] = moved * luck.uniform(0.01, 0.02, len(number))
                rows["drifts"][:, tier] = np.sqrt(number) * 1e-3
            rows["layer_codes"] = luck.integers(120, 180, (len(number), layers))
            content = rows.tobytes()
            size = kind.itemsize
            rows["crc"] = [
                zlib.crc32(content[at : at + size - 4]) for at in range(0, len(content), size)
            ]
            file.write(rows.tobytes())


def write_run(run_dir: Path, metrics: Path, number: int) -> None:
    config = TrainingConfig(
        data=Path(f"/data/set {number % 40}/train.jsonl"), steps=STEPS, name=f"run {number}",
        tiers=(TierConfig(1), TierConfig(2), TierConfig(4)),
    )  # fmt: skip
    plan = {"tiers": [{"period": 1, "paths": [f"model.layers.{k}.q_proj" for k in range(200)]}]}
    recorder = RunRecorder.create(run_dir, config, {"plan": plan})
    for step in SAVES:
        checkpoint = run_dir / "checkpoints" / f"step-{step:06d}"
        checkpoint.mkdir(parents=True)
        for name in ("adapters.safetensors", "adapter_config.json", "optimizer.safetensors",
                     "state.json"):  # fmt: skip
            (checkpoint / name).write_text("{}")
        recorder._manifest |= {"steps": step, "adapter": f"checkpoints/{checkpoint.name}"}
    recorder.record(RunFinished("finished", run_dir, None, STEPS, "Done."))
    recorder.close()
    for name in ("metrics.bin", "events.jsonl"):
        os.link(metrics / name, run_dir / name)


def many_runs(home: Path) -> None:
    from app.core.files.paths import cache_dir, runs_dir
    from app.library.reading.run_store import INDEX_FILE, list_runs
    from app.ui.state.run_loading import read_run

    metrics = home / "metrics"
    metrics.mkdir()
    write_metrics(metrics, STEPS, 3, 16)
    writer = MetricsWriter.__new__(MetricsWriter)
    writer._run_dir, writer._steps = metrics, None
    for step in range(0, STEPS + 1, 500):
        writer.append(EvaluationFinished(step, 1 + 1 / (step + 1), True))
    for step in SAVES:
        writer.append(CheckpointSaved(step, Path("c"), 8))
    for number in range(RUNS):
        write_run(runs_dir() / f"2026-01-01-{number:06d}", metrics, number)
    without = time.perf_counter()
    assert len(list_runs(runs_dir())) == RUNS
    say(f"{RUNS} runs listed, no index", time.perf_counter() - without, "s", "")
    assert (cache_dir() / INDEX_FILE).exists()
    say(f"{RUNS} runs listed, with the index", timed(lambda: list_runs(runs_dir())), "s", "")
    window(runs_dir())
    run_dir = runs_dir() / "2026-01-01-000007"
    say(f"a run of {STEPS} steps read", timed(lambda: read_run(run_dir)), "s", "")


def window(runs: Path) -> None:
    """The page as a user comes to it, and a run opened: until all is painted."""
    from app.application import Nestling
    from app.ui.state.window_pages import Place
    from app.ui.system.qt_application import make_application

    application = make_application(["nestling"])
    nestling = Nestling(application)
    nestling.own_the_process()
    nestling.window.resize(1280, 832)
    nestling.window.show()
    until(application, lambda: nestling.runs.opened.plots_place.plots is not None)
    listed = nestling.runs.list
    until(application, lambda: listed.runs.rowCount() == RUNS)
    listed.show_runs([])

    def page() -> None:
        nestling.window.show_place(Place.RUNS)
        until(application, lambda: listed.runs.rowCount() == RUNS)
        nestling.window.grab()

    def back() -> None:
        nestling.window.show_place(Place.NEW_RUN)
        listed.show_runs([])

    taken = []
    for _ in range(5):
        begun = time.perf_counter()
        page()
        taken.append(time.perf_counter() - begun)
        back()
    say(f"the page with {RUNS} runs shown", statistics.median(taken), "s", "<= 0.5")
    say("  the longest of 5", max(taken), "s", "")
    page()
    runs_shown, search = list(listed.runs.all_runs), listed.header.search
    for what, work in (
        ("  the same rows again", lambda: listed.show_runs(runs_shown)),
        ("  a row less, a row more", lambda: _other_rows(listed, runs_shown)),
        ("  a search and back", lambda: (search.setText("run 77"), search.clear())),
    ):
        say(what, 1e3 * timed(work), "ms", "")
    taken = []
    for number in range(6):
        run_dir = runs / f"2026-01-01-{number:06d}"
        begun = time.perf_counter()
        nestling.library_commands.open_run(run_dir)
        until(application, lambda run_dir=run_dir: nestling.runs.opened_run_dir == run_dir)  # type: ignore[misc]
        nestling.window.grab()
        taken.append(time.perf_counter() - begun)
    say("a run's plots shown, the first one", taken[0], "s", "")
    say("a run's plots shown, median of five more", statistics.median(taken[1:]), "s", "<= 0.2")
    nestling.shut_down()


def _other_rows(listed: "RunsView", runs: "list[RunSummary]") -> None:
    listed.show_runs(runs[1:])
    listed.show_runs(runs)


def until(application: object, is_so: Callable[[], bool]) -> None:
    while not is_so():
        application.processEvents()  # type: ignore[attr-defined]
        time.sleep(0.001)  # so that the other thread gets its turn, as in the app's own loop


# -- a million steps ---------------------------------------------------------------------------


def long_run(home: Path) -> None:
    from PySide6.QtWidgets import QApplication

    from app.ui.plots.run_plots import RunPlots
    from app.ui.state.run_loading import read_run

    folder = home / "runs" / "2026-02-01-long"
    folder.mkdir(parents=True, exist_ok=True)
    write_metrics(folder, MANY, 8, 64)
    size = (folder / "metrics.bin").stat().st_size
    say("a step of 8 tiers and 64 layers on disk", size / MANY, "bytes", "<= 200")
    application = QApplication.instance() or QApplication([])
    before = resident()
    begun = time.perf_counter()
    run = read_run(folder)
    say("a run of a million steps read", time.perf_counter() - begun, "s", "")
    plots = RunPlots()
    plots.resize(1000, 720)
    plots.show()
    plots.show_series(run.series)
    for plot in plots.plots:
        name = type(plot).__name__

        def redraw(plot=plot) -> None:  # type: ignore[no-untyped-def]
            plot.redraw()
            plot.grab()

        say(f"  {name} redrawn, live", 1e3 * timed(redraw, 9), "ms", "<= 16")
    for plot in plots.plots:
        plot.selection = (300_000.0, 700_000.0)
        say(f"  {type(plot).__name__} zoomed", 1e3 * timed(plot.redraw, 9), "ms", "<= 16")
    number = MANY

    def arrive() -> None:
        nonlocal number
        number += 1
        run.series.add_step(a_step(number, 8, 64))
        plots.note_news()

    say("  a step taken in", 1e3 * timed(arrive, 101), "ms", "")
    say("memory beyond what was there before", (resident() - before) / 1e6, "MB", "<= 500")
    say("  at its peak", (peak() - before) / 1e6, "MB", "<= 500")
    plots.close()
    del application


def resident() -> int:
    return 1024 * _status("VmRSS")


def peak() -> int:
    return 1024 * _status("VmHWM")


def _status(name: str) -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(name):
            return int(line.split()[1])
    return 0


if __name__ == "__main__":
    main()
