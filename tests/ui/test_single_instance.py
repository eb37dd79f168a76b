"""One window for one library: the second one brings the first forward and ends."""

import errno
import fcntl
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from PySide6.QtWidgets import QApplication, QWidget
from pytestqt.qtbot import QtBot

from app.application import Nestling
from app.core.files.paths import home_dir, runs_dir
from app.ui.state.window_pages import Place
from app.ui.system.single_instance import SingleInstance
from app.ui.window.main_window import MainWindow
from app.window_services import Services
from tests.patience import PATIENCE_SECONDS

SECOND = """
import errno, fcntl, sys
def flock(*_):
    raise OSError(errno.ENOLCK, "No locks available")
if "without locks" in sys.argv: fcntl.flock = flock
from pathlib import Path
from PySide6.QtCore import QCoreApplication
from app.ui.system.single_instance import SingleInstance
application = QCoreApplication([])
one = SingleInstance(Path(sys.argv[1]))
print("first" if one.is_first else one.bring_first_forward(), flush=True)
if "wait" in sys.argv: sys.stdin.read()
"""


def test_a_second_window_brings_the_first_forward(qapp: QApplication, qtbot: QtBot) -> None:
    first = SingleInstance(home_dir())
    with qtbot.waitSignal(first.shown_again):
        other = second()
    assert first.is_first
    assert other.communicate(timeout=PATIENCE_SECONDS)[0].strip() == "True"
    first.close()


def test_a_killed_window_blocks_no_other(qapp: QApplication) -> None:
    killed = second("wait")
    assert killed.stdout is not None
    assert killed.stdout.readline().strip() == "first"
    assert not SingleInstance(home_dir()).is_first
    os.kill(killed.pid, signal.SIGKILL)
    killed.communicate()
    after = SingleInstance(home_dir())
    assert after.is_first
    after.close()


def test_on_a_disk_without_locks_the_first_window_is_known_by_its_answer(
    qapp: QApplication, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    def flock(_descriptor: int, _operation: int) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", flock)
    first = SingleInstance(home_dir())
    assert first.is_first
    with qtbot.waitSignal(first.shown_again):
        other = second("without locks")
    assert other.communicate(timeout=PATIENCE_SECONDS)[0].split() == ["True"]
    first.close()


def test_another_library_has_a_window_of_its_own(qapp: QApplication, tmp_path: Path) -> None:
    one, other = SingleInstance(tmp_path / "a"), SingleInstance(tmp_path / "b")
    assert one.is_first
    assert other.is_first
    one.close()
    other.close()


def second(*options: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", SECOND, str(home_dir()), *options], stdout=subprocess.PIPE,
        stdin=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2],
    )  # fmt: skip


def empty_window(services: Services, qtbot: QtBot) -> MainWindow:
    made = MainWindow({place: QWidget() for place in Place}, services.settings)
    qtbot.addWidget(made)
    return made


def test_a_minimised_window_comes_forward(services: Services, qtbot: QtBot) -> None:
    window = empty_window(services, qtbot)
    window.showMinimized()
    window.come_forward()
    assert not window.isMinimized()
    assert window.isVisible()


def test_page_and_selection_come_back(
    build: Callable[..., Nestling], make_run: Callable[..., Path], qtbot: QtBot
) -> None:
    for name in ("2026-01-01-a", "2026-01-02-b", "2026-01-03-c"):
        make_run(runs_dir() / name)
    first = build()
    first.window.show()
    first.window.show_place(Place.RUNS)
    qtbot.waitUntil(lambda: first.runs.list.runs.rowCount() == 3)
    first.runs.list.selection.select(runs_dir() / "2026-01-02-b")
    first.window.close()
    first.shut_down()
    second = build()
    second.window.show()
    assert second.window.place is Place.RUNS
    qtbot.waitUntil(lambda: second.runs.list.runs.rowCount() == 3)
    assert [r.run_dir.name for r in second.runs.list.selection.runs()] == ["2026-01-02-b"]


@pytest.mark.parametrize("value", ["99", "LIBRARY", ""])
def test_a_page_that_is_not_there_is_the_first(
    services: Services, value: str, qtbot: QtBot
) -> None:
    services.settings.set("window/place", value)
    window = empty_window(services, qtbot)
    window.restore_place()
    assert window.place is Place.NEW_RUN
