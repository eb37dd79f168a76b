"""Processor time from a program's start to its window's first sight.

    python -m tests.benchmarks.start_up                            # this checkout
    python -m tests.benchmarks.start_up --program dist/nestling/nestling
    python -m tests.benchmarks.start_up --rounds 9 --modules       # and which imports take it

Qt itself says when a window's pixels are handed to the screen; nothing in the program is changed.
User and system time of all its threads are read at that moment from /proc, so on Linux alone.

Other programs make processor time itself dearer (caches, a core's other thread): beside the
figures as they are stand those of each start divided by the time of a loop
beside it, in times of its fastest.
"""

import argparse
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[2]
SEEN = "Flushing"
"""How Qt's log names the moment."""
RULES = "qt.widgets.painting.info=true"
TICKS = os.sysconf("SC_CLK_TCK")
_IMPORT = re.compile(r"import time:\s+(\d+) \|\s+(\d+) \| ( *)(\S+)")


def start(command: list[str], home: Path, **environment: str) -> tuple[float, float, list[str]]:
    """Seconds of processor time and by the clock until the window is seen, and its log lines."""
    begun, stderr_lines = time.perf_counter(), []
    with subprocess.Popen(
        command, stderr=subprocess.PIPE, text=True, cwd=ROOT,
        env={**os.environ, "NESTLING_HOME": str(home), "QT_LOGGING_RULES": RULES, **environment},
    ) as window:  # fmt: skip
        assert window.stderr is not None
        for line in window.stderr:
            stderr_lines.append(line)
            if SEEN in line:
                spent = processor_seconds(window.pid)
                window.terminate()
                return spent, time.perf_counter() - begun, stderr_lines
    raise SystemExit("The window was not seen:\n" + "".join(stderr_lines))


def processor_seconds(process: int) -> float:
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def loop_seconds() -> float:
    """Processor time of some arithmetic of Python's."""
    begun = time.process_time()
    sum(number * number % 7 for number in range(300_000))
    return time.process_time() - begun


def imports(stderr_lines: list[str], most: int) -> str:
    """The modules whose own code takes longest to import, and their sum."""
    found = [match for line in stderr_lines if (match := _IMPORT.match(line))]
    by_time = sorted(((int(one[1]), one[4]) for one in found), reverse=True)
    lines = [f"{spent / 1000:7.1f} ms  {name}" for spent, name in by_time[:most]]
    total = sum(spent for spent, _ in by_time) / 1000
    return "\n".join([f"{len(by_time)} modules, {total:.0f} ms", *lines])


def _median(values: list[float]) -> str:
    return f"{statistics.median(values):.2f} s ({min(values):.2f} to {max(values):.2f})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--program", type=Path, help="of the bundle; else this checkout")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--modules", action="store_true", help="of a checkout only")
    arguments = parser.parse_args()
    program = arguments.program
    command = [str(program.resolve())] if program else [sys.executable, "-m", "app"]
    if "DISPLAY" not in os.environ:
        os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        start(command, home)  # files into the system's cache; not counted
        found, loops = [], []
        for _ in range(arguments.rounds):
            before = loop_seconds()
            found.append(start(command, home))
            loops.append((before + loop_seconds()) / 2)
        fastest = min([*loops, *(loop_seconds() for _ in range(50))])
        spent = [one[0] for one in found]
        even = [one * fastest / loop for one, loop in zip(spent, loops, strict=True)]
        print(
            f"{_median(spent)} of processor time; {_median(even)} at the loop's fastest; "
            f"{_median([one[1] for one in found])} by the clock; {arguments.rounds} starts"
        )
        if arguments.modules:
            print(imports(start(command, home, PYTHONPROFILEIMPORTTIME="1")[2], 40))


if __name__ == "__main__":
    main()
