"""From the drop of a file never seen to the first step, in the window, beside `mlx_lm.lora`.

    python -m tests.benchmarks.window_start                  # 6,000 and 100,000 rows

The real window, off screen, with the starter model and its default settings. Start is pressed as
soon as it may be; so the seconds after it are those that a user waits, and those before it are the
check of every row. mlx-lm's seconds are those of a process, to its first step, with our BLAS.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.benchmarks.data_page import waiting
from tests.benchmarks.data_path import measured, mlx_lm_part, write_chats


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, nargs="+", default=[6_000, 100_000])
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        print(json.dumps(in_window(options.child)))
        return
    print("| rows | drop to Start | Start to first step | mlx_lm.lora to first step | ratio |")
    print("|---|---|---|---|---|")
    for rows in options.rows:
        with tempfile.TemporaryDirectory() as name:
            _measure(Path(name), rows)


def _measure(folder: Path, rows: int) -> None:
    data = folder / "data" / "train.jsonl"
    data.parent.mkdir()
    write_chats(data, rows)
    environment = os.environ | {"NESTLING_HOME": str(folder), "QT_QPA_PLATFORM": "offscreen"}
    command = [sys.executable, "-m", "tests.benchmarks.window_start", "--child", str(data)]
    done = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True)
    to_start, to_step = json.loads(done.stdout.splitlines()[-1])
    theirs = measured(mlx_lm_part(data), folder / "home", "first step done").seconds
    print(
        f"| {rows:,} | {to_start:.1f} s | {to_step:.1f} s | {theirs:.1f} s | "
        f"{(to_start + to_step) / theirs:.2f}× |",
        flush=True,
    )


def in_window(data: Path) -> tuple[float, float]:
    """Seconds from the drop until Start can be pressed, and from there to the first step."""
    from app.application import Nestling
    from app.core.events import StepFinished
    from app.ui.system.qt_application import make_application

    application = make_application([])
    nestling = Nestling(application)
    nestling.own_the_process()
    steps: list[StepFinished] = []
    state = nestling.state
    state.run_event_received.connect(
        lambda event: steps.append(event) if isinstance(event, StepFinished) else None
    )
    wait = waiting(application)
    try:
        nestling.window.show()
        wait(lambda: state.memory is not None)
        dropped = time.perf_counter()
        nestling.commands.open_path(data)
        wait(lambda: state.config.data == data and not state.start_blocker())
        started = time.perf_counter()
        nestling.control.start()
        wait(lambda: bool(steps))
        return started - dropped, time.perf_counter() - started
    finally:
        nestling.shut_down()


if __name__ == "__main__":
    main()
