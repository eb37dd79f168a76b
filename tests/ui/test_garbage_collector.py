"""Garbage in circles goes in the window's thread, from its event loop, while the window is open."""

import gc
import subprocess
import sys
import threading
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import QObject
from pytestqt.qtbot import QtBot

from app.application import Nestling
from app.ui.system import garbage_collector as module
from app.ui.system.garbage_collector import MIDDLE, OLD, YOUNG, GarbageCollector
from tests.patience import PATIENCE_SECONDS

MANY = 20_000


class Circle(QObject):
    """Python's reference counts never let go of it."""

    def __init__(self) -> None:
        super().__init__()
        self.itself = self


@pytest.fixture(autouse=True)
def _collector_stays_as_it_is() -> Iterator[None]:
    was_enabled, threshold = gc.isenabled(), gc.get_threshold()
    yield
    gc.set_threshold(*threshold)
    gc.enable() if was_enabled else gc.disable()


@pytest.mark.parametrize("is_on", [True, False])
def test_python_s_own_collector_is_off_while_the_window_is_open_and_then_as_before(
    build: Callable[..., Nestling], is_on: bool
) -> None:
    gc.enable() if is_on else gc.disable()
    nestling = build()
    assert not gc.isenabled()
    nestling.shut_down()
    assert gc.isenabled() is is_on
    nestling.shut_down()
    assert gc.isenabled() is is_on


def test_parts_of_the_window_go_in_its_thread_whichever_thread_makes_much(
    build: Callable[..., Nestling], qtbot: QtBot
) -> None:
    build()
    went_in: list[threading.Thread] = []
    gc.collect()
    watched = weakref.ref(Circle(), lambda _: went_in.append(threading.current_thread()))
    made: list[object] = []
    thread = threading.Thread(target=lambda: made.extend([] for _ in range(MANY)))
    thread.start()
    thread.join()
    assert watched() is not None
    qtbot.waitUntil(lambda: watched() is None)
    assert went_in == [threading.main_thread()]


def test_what_is_garbage_when_the_window_is_shut_down_goes_with_it(
    build: Callable[..., Nestling],
) -> None:
    nestling = build()
    watched = weakref.ref(Circle())
    nestling.shut_down()
    assert watched() is None


@pytest.fixture
def collecting(monkeypatch: pytest.MonkeyPatch) -> Iterator[GarbageCollector]:
    """A window's part that looks often."""
    monkeypatch.setattr(module, "LOOK_EVERY_MS", 2)
    gc.collect()
    made = GarbageCollector()
    yield made
    made.shut_down()


@pytest.fixture
def searched(collecting: GarbageCollector) -> Iterator[list[int]]:
    """The generations that were searched."""
    found: list[int] = []

    def note(phase: str, info: dict[str, int]) -> None:
        if phase == "start":
            found.append(info["generation"])

    gc.callbacks.append(note)
    yield found
    gc.callbacks.remove(note)


def test_nothing_is_searched_before_as_much_was_made_as_python_waits_for(
    collecting: GarbageCollector, searched: list[int], qtbot: QtBot
) -> None:
    gc.set_threshold(MANY)
    looks: list[None] = []
    collecting._timer.timeout.connect(lambda: looks.append(None))
    qtbot.waitUntil(lambda: len(looks) >= 3)
    assert searched == []
    made = [[] for _ in range(2 * MANY)]
    qtbot.waitUntil(lambda: len(searched) > 0)
    assert searched == [YOUNG]
    assert len(made) == 2 * MANY


def test_what_has_stayed_is_searched_again_when_there_is_a_quarter_more_of_it(
    searched: list[int], qtbot: QtBot
) -> None:
    gc.set_threshold(50, 1, 1)
    stays: list[object] = [[] for _ in range(MANY)]

    def advance(generation: int, times: int = 1) -> None:
        """Make a little, until that generation was searched so often."""
        searched.clear()

        def is_done() -> bool:
            stays.extend([] for _ in range(10))
            return searched.count(generation) >= times

        qtbot.waitUntil(is_done)

    advance(OLD)
    advance(MIDDLE, times=4)
    assert OLD not in searched
    stays.extend([] for _ in range(len(gc.get_objects())))
    advance(OLD)


RUN = """
import gc
import sys
from PySide6.QtCore import QTimer
from app import launch

class Watched(launch.Nestling):
    def __init__(self, qt, config):
        super().__init__(qt, config)
        self.looking = QTimer(self, interval=20)
        self.looking.timeout.connect(self.look)
        self.looking.start()

    def look(self):
        if self.state.preview is not None and not self.compute.is_busy:
            print("transformers" in sys.modules, gc.isenabled(), gc.get_freeze_count() > 50_000)
            self.looking.stop()
            self.window.close()

launch.Nestling = Watched
launch.run_app(["nestling"])
print(gc.isenabled())
"""


def test_what_the_start_brings_is_never_searched_in_the_process_of_the_window() -> None:
    done = subprocess.run(
        [sys.executable, "-c", RUN], capture_output=True, text=True, check=False,
        timeout=PATIENCE_SECONDS,
        cwd=Path(__file__).parents[2],
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["True False True", "True"]
