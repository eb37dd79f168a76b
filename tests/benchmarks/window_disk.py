"""What the window's own thread asks of the disk, and how long each call takes (Linux, strace).

python -m tests.benchmarks.window_disk: opens the library, a run, a comparison, exports and trains.
"""

import os
import re
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
_CALLS = "%file,fsync,fdatasync,flock,getdents64"
_MARK = "/mark/"


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="nestling-disk-") as home:
        os.environ["NESTLING_HOME"] = home
        trace = Path(home) / "trace"
        using = ["strace", "-T", "-p", str(os.getpid()), "-e", f"trace={_CALLS}", "-o", str(trace)]
        with subprocess.Popen(using, stderr=subprocess.PIPE, text=True) as strace:
            assert strace.stderr is not None
            strace.stderr.readline()  # attached
            use_the_window(Path(home))
            strace.terminate()
        tell(trace.read_text(errors="replace"))


def use_the_window(home: Path) -> None:
    from app.application import Nestling
    from app.ui.state.run_state import Phase
    from app.ui.state.window_pages import Place
    from app.ui.system.qt_application import make_application
    from tests.conftest import write_run

    for number in range(50):
        write_run(home / "runs" / f"run-{number:02}", saves=(4, 8))
    application = make_application(["nestling"])
    begin("start")
    nestling = Nestling(application)
    nestling.own_the_process()
    page, window = nestling.runs, nestling.window

    def until(is_so: Callable[[], object]) -> None:
        end = time.monotonic() + 0.5  # what is written a little later counts as well
        while not is_so() or time.monotonic() < end:
            application.processEvents()
            time.sleep(0.002)

    window.show()
    until(lambda: nestling.runs.opened.plots_place.plots)
    begin("the library's list")
    window.show_place(Place.RUNS)
    until(lambda: page.list.runs.rowCount() == 50)
    begin("a run opened")
    nestling.library_commands.open_run(home / "runs" / "run-07")
    until(lambda: page.opened_run_dir)
    begin("renamed, queued, exported")
    page.opened.head.name.setText("new")
    page.opened.keep_label()
    nestling.queue.add(nestling.state.config)
    exports = nestling.library_commands.exports
    exports.save_data([home / "runs" / "run-07"], home / "a.csv")
    exports.save_picture(page.opened, "a", home / "a.svg")
    until((home / "a.svg").exists)
    begin("compared")
    page.show_list()
    page.list.table.selectAll()
    page.list.selection.select(home / "runs" / "run-01", home / "runs" / "run-02")
    page.list.buttons.compare.click()
    until(lambda: page.views.currentWidget() is page.compared)
    begin("a run trained")
    nestling.commands.use_sample()
    until(nestling.actions.start.isEnabled)
    nestling.state.change_config(steps=20)
    nestling.actions.start.trigger()
    until(lambda: nestling.state.phase is Phase.FINISHED)
    begin("closed")
    window.close()
    nestling.shut_down()


def begin(what: str) -> None:
    Path(_MARK + what).exists()  # leaves a line in the trace


def tell(trace: str) -> None:
    for part in re.split(rf'[^\n]*"{_MARK}', trace)[1:]:
        what, _, rest = part.partition('"')
        calls = re.findall(r"\n(?:\d+ +)?(\w+)\((.*)<([\d.]+)>", rest)
        longest = max(calls, key=lambda call: float(call[2]), default=("none", "", "0"))
        total = sum(float(seconds) for _, _, seconds in calls)
        print(
            f"{what:<28}{len(calls):5} calls {1e3 * total:7.1f} ms, longest "
            f"{1e3 * float(longest[2]):6.2f} ms: {longest[0]}({longest[1][:60]}",
            flush=True,
        )


if __name__ == "__main__":
    main()
