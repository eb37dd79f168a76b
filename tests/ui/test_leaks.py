"""What is opened and closed a thousand times leaves nothing behind: no memory, thread, file, widget
or connection.
"""

import gc
import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from PySide6.QtCore import SIGNAL, QEvent, QObject
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from app.application import Nestling
from app.core.files.paths import runs_dir
from app.ui.state.run_loading import read_run
from app.ui.state.window_pages import Place

TIMES, WARM_UP = 1000, 100
MOST_GROWTH_BYTES = 12 * 2**20
"""Over 900 rounds; what one round leaves would be more if it were a widget or a run."""
_SIGNALS = ("config_changed()", "dataset_changed()", "phase_changed()", "preview_changed()")


def resident_bytes() -> int:
    pages = Path("/proc/self/statm").read_text(encoding="ascii").split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


def standing(nestling: Nestling) -> dict[str, int]:
    """What there is of each thing that could be left behind."""
    gc.collect()
    QApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
    state: QObject = nestling.state
    return {
        "widgets": len(QApplication.allWidgets()),
        "objects of the window": len(nestling.window.findChildren(QObject)),
        "threads": threading.active_count(),
        "files": len(os.listdir("/proc/self/fd")),
        "connections": sum(state.receivers(SIGNAL(name)) for name in _SIGNALS),
    }


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="counts by Linux's /proc")
def test_a_thousand_visits_to_every_place_leave_nothing(
    nestling: Nestling, make_run: Callable[..., Path], chat_file: Path, qtbot: QtBot
) -> None:
    runs = [read_run(make_run(runs_dir() / name, steps=12, name=name)) for name in ("one", "two")]
    nestling.commands.open_path(chat_file)
    qtbot.waitUntil(nestling.actions.start.isEnabled)
    for number in range(TIMES):
        visit(nestling, runs[number % 2])
        if number == WARM_UP:
            before, memory = standing(nestling), resident_bytes()
    assert standing(nestling) == before
    assert resident_bytes() - memory < MOST_GROWTH_BYTES


def visit(nestling: Nestling, run: object) -> None:
    """Every place and what opens from it, once."""
    for place in Place:
        nestling.window.show_place(place)
    for view in range(nestling.data.tabs.count()):
        nestling.data.show_view(view)
    nestling.window.show_place(Place.RUNS)
    nestling.runs.show_run(run, is_live=False)  # type: ignore[arg-type]
    for part in range(nestling.runs.opened.tabs.count()):
        nestling.runs.opened.show_part(part)
    nestling.runs.show_list()
    for opened in (nestling.settings_window, nestling.guide):
        opened.show()
    nestling.settings_window.close()
    if nestling.guide.window is not None:
        nestling.guide.window.close()
    QApplication.processEvents()
