"""What can wait is done in small steps beside the window's work: the plots above all."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from pytestqt.qtbot import QtBot

from app.application import Nestling
from app.core.files.paths import runs_dir
from app.ui.look.theme import DARK
from app.ui.run.run_plots_opening import LazyPlots
from app.ui.state.run_loading import read_run
from app.ui.system.deferred_calls import IdleTasks
from tests.patience import PATIENCE_SECONDS

MakeRun = Callable[..., Path]

OPENED = """
import sys
from app.application import Nestling
from app.ui.system.qt_application import make_application

application = make_application(["nestling"])
nestling = Nestling(application)
threads = []

class Watch:
    def find_spec(self, name, path=None, target=None):
        import threading
        if name == "pyqtgraph":
            threads.append(threading.current_thread() is threading.main_thread())

sys.meta_path.insert(0, Watch())
nestling.window.show()
while nestling.runs.opened.plots is None:
    application.processEvents()
print("in the window's thread:", threads)
nestling.window.close()
nestling.shut_down()
"""


def test_plots_are_imported_beside_the_window_and_made_before_a_run_is_opened() -> None:
    done = subprocess.run(
        [sys.executable, "-c", OPENED], capture_output=True, text=True, check=False,
        timeout=PATIENCE_SECONDS,
        cwd=Path(__file__).parents[2],
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "in the window's thread: [False]"


def test_steps_are_done_one_at_a_time_and_in_order(qtbot: QtBot) -> None:
    work, done = IdleTasks(), []

    def steps(name: str) -> Iterator[None]:
        for number in range(2):
            done.append((name, number))
            yield

    work.add(steps("a"))
    work.add(steps("b"))
    assert done == []
    qtbot.waitUntil(lambda: len(done) == 4)
    assert done == [("a", 0), ("a", 1), ("b", 0), ("b", 1)]
    work.add(steps("c"))
    work.shut_down()
    assert not work._timer.isActive()
    for _ in range(3):
        work._timer.timeout.emit()  # as if it had been due already
    assert len(done) == 4


def test_a_run_that_is_opened_while_plots_are_made_has_them_at_once(
    make_run: MakeRun, tmp_path: Path, qtbot: QtBot
) -> None:
    place = LazyPlots()
    qtbot.addWidget(place)
    steps = place.steps()
    next(steps)
    assert place.plots is None
    place.show_series(read_run(make_run(tmp_path / "a")).series, is_same=False, is_live=False)
    plots = place.plots
    assert plots is not None
    list(steps)
    assert place.plots is plots


def test_plots_made_while_the_theme_changes_are_in_the_new_one(qtbot: QtBot) -> None:
    place = LazyPlots()
    qtbot.addWidget(place)
    steps = place.steps()
    next(steps)
    place.set_theme(DARK)
    list(steps)
    assert place.plots is not None
    assert all(plot.theme is DARK for plot in place.plots.plots)


def test_the_window_opens_a_run_with_the_plots_it_has(
    nestling: Nestling, make_run: MakeRun, qtbot: QtBot
) -> None:
    run = make_run(runs_dir() / "a")
    qtbot.waitUntil(lambda: nestling.runs.opened.plots is not None)
    plots = nestling.runs.opened.plots
    nestling.library_commands.open_run(run)
    qtbot.waitUntil(lambda: plots is not None and plots.series is not None)
    assert nestling.runs.opened.plots is plots
