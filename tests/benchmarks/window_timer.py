"""How late the window's timer comes while the demo trains, with plots and without.

`python -m tests.benchmarks.window_timer [rounds] [load]`; the two alternate, each in a process of
its own, beside `load` processes that do nothing but compute. The window is the real one, 1280×800,
drawn off screen; a 10 ms precise timer notes when it comes.
"""

import itertools
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

PERIOD_MS = 10
STEPS = 150


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    found: dict[str, list[dict[str, Any]]] = {"plots": [], "none": []}
    load = int(sys.argv[2]) if len(sys.argv) > 2 else 0
    for _ in range(rounds):
        for variant, runs in found.items():
            with _busy_machine(load):
                runs.append(_in_a_process(variant))
            figures = "  ".join(f"{name} {value:.1f}" for name, value in runs[-1].items())
            print(f"{variant:6}{figures}", flush=True)
    for variant, runs in found.items():
        middle = sorted(runs, key=lambda run: run["p99_ms"])[len(runs) // 2]
        print(f"{variant}: median round: " + json.dumps(middle))


@contextmanager
def _busy_machine(load: int) -> Iterator[None]:
    busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(load)]
    try:
        yield
    finally:
        for process in busy:
            process.kill()
            process.wait()


def _in_a_process(variant: str) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as home:
        environment = os.environ | {"NESTLING_HOME": home, "QT_QPA_PLATFORM": "offscreen"}
        command = [sys.executable, "-m", "tests.benchmarks.window_timer", "--child", variant]
        done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    return json.loads(done.stdout.splitlines()[-1])  # type: ignore[no-any-return]


def child(variant: str) -> dict[str, float]:
    from PySide6.QtCore import Qt, QTimer

    from app.application import Nestling
    from app.core.config.presets import demo_config
    from app.ui.state.run_state import Phase
    from app.ui.system.qt_application import make_application

    application = make_application([])
    nestling = Nestling(application, replace(demo_config(), steps=STEPS))
    nestling.own_the_process()
    nestling.window.resize(1280, 800)
    nestling.window.show()
    came: list[float] = []
    timer = QTimer(interval=PERIOD_MS, timerType=Qt.TimerType.PreciseTimer)
    timer.timeout.connect(lambda: came.append(time.perf_counter()))

    def phase_changed() -> None:
        if nestling.state.phase in (Phase.FINISHED, Phase.FAILED):
            timer.stop()
            QTimer.singleShot(0, application.quit)

    used: list[float] = []

    def event_came(_: object) -> None:
        if nestling.state.step is not None and not timer.isActive() and not came:
            used.append(time.thread_time())
            timer.start()

    nestling.state.run_event_received.connect(event_came)
    nestling.state.phase_changed.connect(phase_changed)
    _once(application, lambda: nestling.runs.opened.plots_place.plots is not None)
    if variant == "none" and (plots := nestling.runs.opened.plots_place.plots):
        plots.hide()
    nestling.control.start()
    application.exec()
    share = (time.thread_time() - used[0]) / (came[-1] - came[0])
    nestling.shut_down()
    late = sorted(1000 * (b - a) - PERIOD_MS for a, b in itertools.pairwise(came))
    return {
        "p50_ms": late[len(late) // 2],
        "p99_ms": late[int(len(late) * 0.99)],
        "max_ms": late[-1],
        "seconds": came[-1] - came[0],
        "gui_cpu_percent": 100 * share,
    }


def _once(application: Any, is_so: Callable[[], bool]) -> None:
    while not is_so():
        application.processEvents()
        time.sleep(0.01)


if __name__ == "__main__":
    if "--child" in sys.argv:
        print(json.dumps(child(sys.argv[-1])))
    else:
        main()
