"""The Data page at size: first rows after a drop, the window's timer meanwhile, the dragged limit.

    python -m tests.benchmarks.data_page                 # 100,000 rows
    python -m tests.benchmarks.data_page --rows 1000000 --seconds 120

The window is the real one, 1280×800, drawn off screen, with the starter model. A 10 ms precise
timer notes how late it comes while the file is read, checked and turned into tokens; after
`--seconds` the latter is stopped. The limit is dragged over the lengths of a million rows.
"""

import argparse
import itertools
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.benchmarks.data_path import write_chats

PERIOD_MS = 10
DRAGS = 120
DRAGGED_ROWS = 1_000_000


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--seconds", type=float, default=60.0, help="of turning into tokens")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        print(json.dumps(child(Path(arguments.child), arguments.seconds)))
        return
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "chats.jsonl"
        write_chats(data, arguments.rows)
        time.sleep(3)  # a file written just now is hashed again at the next opening
        load = os.getloadavg()[0]
        size = data.stat().st_size / 1e6
        print(f"{arguments.rows:,} rows, {size:,.0f} MB, {os.cpu_count()} cores, load {load:.1f}")
        environment = os.environ | {"NESTLING_HOME": folder, "QT_QPA_PLATFORM": "offscreen"}
        command = [sys.executable, "-m", "tests.benchmarks.data_page", "--child", str(data)]
        command += ["--seconds", str(arguments.seconds)]
        done = subprocess.run(
            command, env=environment, check=True, stdout=subprocess.PIPE, text=True
        )
        for what, figures in json.loads(done.stdout.splitlines()[-1]).items():
            print(f"{what:46} {figures}")


def child(data: Path, seconds: float) -> dict[str, str]:
    from app.application import Nestling
    from app.ui.system.qt_application import make_application

    application = make_application([])
    nestling = Nestling(application)
    nestling.own_the_process()
    try:
        return _measured(nestling, application, data, seconds)
    finally:
        nestling.shut_down()  # or the process does not end


def _measured(nestling: Any, application: Any, data: Path, seconds: float) -> dict[str, str]:
    from app.ui.data.data_page import ROWS, STATISTICS
    from app.ui.state.window_pages import Place

    work = nestling.data_work
    nestling.window.resize(1280, 800)
    nestling.window.show()
    nestling.window.show_place(Place.DATA)
    wait = waiting(application)
    wait(
        lambda: (
            nestling.runs.opened.plots_place.plots is not None
            and work.tokenizer.tokenizer is not None
        )
    )
    wait(lambda: nestling.state.memory is not None)
    pid = work.looker.process_id
    wait(lambda: not work.looker.is_busy and pid is not None)
    results: dict[str, str] = {}
    with _timer("idle, for comparison", results):
        end = time.perf_counter() + 5
        wait(lambda: time.perf_counter() > end)
    with _timer("reading and checking", results):
        begun = time.perf_counter()
        nestling.commands.open_path(data)
        wait(lambda: bool(work.preview.rows))
        nestling.data.rows.text.repaint()
        results["first rows, as the file has them"] = f"{time.perf_counter() - begun:.3f} s"
        wait(lambda: work.preview.is_rendered)
        results["first rows, as the model sees them"] = f"{time.perf_counter() - begun:.3f} s"
        wait(lambda: not nestling.state.is_inspecting)
    results["read and checked after"] = f"{time.perf_counter() - begun:.1f} s"
    with _timer("turning into tokens", results):
        end = time.perf_counter() + seconds
        wait(lambda: work.tokenization.done is not None or time.perf_counter() > end)
    share = work.tokenization.share
    results["turned into tokens"] = "all" if share is None else f"{share:.0%}"
    nestling.data.show_view(ROWS)
    results["another page, painted"] = _paging(nestling, wait)
    work.tokenization.stop()
    nestling.data.show_view(STATISTICS)
    results["limit dragged, painted"] = _dragging(nestling, application)
    return results


def _paging(nestling: Any, wait: Callable[[Callable[[], bool]], None]) -> str:
    preview, took = nestling.data_work.preview, []
    for number in range(1, 30):
        first = (number * 7919) % max(1, preview.total - 5)
        begun = time.perf_counter()
        preview.go_to(first)
        wait(lambda first=first: bool(preview.rows) and preview.rows[0].number == first)
        nestling.data.rows.text.repaint()
        took.append(1000 * (time.perf_counter() - begun))
    return _words(took) + f" (of {preview.total:,} rows)"


def _dragging(nestling: Any, application: Any) -> str:
    """Every drag until its consequences are written down and painted."""
    import numpy as np

    from app.data.training_set.length_distribution import LengthDistribution
    from app.data.training_set.statistics import DataStatistics

    rows = _made_up_rows(DRAGGED_ROWS)
    valid = np.arange(0, len(rows), 10)
    train = np.setdiff1d(np.arange(len(rows)), valid)
    figures = nestling.data_work.statistics
    figures.refresh = lambda: None  # these are no figures of the dataset
    curves = LengthDistribution.of([(rows, train)]), LengthDistribution.of([(rows, valid)])
    figures.all = (DataStatistics(*curves, (), 0, 0),)
    figures.changed.emit()
    application.processEvents()
    plot, took = nestling.data.statistics.plot, []
    for place in np.linspace(5.0, 12.0, DRAGS):
        begun = time.perf_counter()
        plot.line.setValue(float(place))
        plot.line.sigDragged.emit(plot.line)
        application.processEvents()  # writes the setting and paints
        took.append(1000 * (time.perf_counter() - begun))
    return _words(took) + f" ({len(rows):,} rows)"


def _made_up_rows(count: int) -> Any:
    import numpy as np

    from app.data.tokens.tokenized_examples import TokenRows

    random = np.random.default_rng(0)
    lengths = np.clip(random.lognormal(5.5, 0.9, count), 12, 60_000).astype(np.uint32)
    spans = np.stack([lengths // 3, lengths], axis=1).astype(np.uint32)
    return TokenRows(
        np.zeros(0, np.uint32), lengths, spans, np.ones(count, np.uint32),
        np.arange(1, count + 1), np.arange(count, dtype=np.uint64), np.zeros(count, np.bool_),
        np.zeros(count, np.uint16),
    )  # fmt: skip


@contextmanager
def _timer(what: str, results: dict[str, str]) -> Iterator[None]:
    from PySide6.QtCore import Qt, QTimer

    came: list[float] = []
    used: list[float] = []

    def note() -> None:
        came.append(time.perf_counter())
        used.append(time.thread_time())

    timer = QTimer(interval=PERIOD_MS, timerType=Qt.TimerType.PreciseTimer)
    timer.timeout.connect(note)
    timer.start()
    yield
    timer.stop()
    late = sorted(1000 * (b - a) - PERIOD_MS for a, b in itertools.pairwise(came))
    busy = sorted(1000 * (b - a) for a, b in itertools.pairwise(used))
    results[f"timer late: {what}"] = _words(late)
    results[f"  the window's own work: {what}"] = _words(busy)


def _words(took_ms: list[float]) -> str:
    took = sorted(took_ms)
    p50, p99 = took[len(took) // 2], took[int(len(took) * 0.99)]
    return f"p50 {p50:.1f}, p99 {p99:.1f}, longest {took[-1]:.1f} ms of {len(took):,}"


def waiting(application: Any) -> Callable[[Callable[[], bool]], None]:
    """Runs the event loop, as the app does, until something is so."""
    from PySide6.QtCore import QTimer

    def wait(is_so: Callable[[], bool]) -> None:
        looking = QTimer(interval=2)
        looking.timeout.connect(lambda: application.quit() if is_so() else None)
        looking.start()
        application.exec()
        looking.stop()

    return wait


if __name__ == "__main__":
    main()
