import json
import subprocess
import sys
from pathlib import Path

from tests.patience import PATIENCE_SECONDS

SHOW = """
import json, sys
from app.application import Nestling
from app.ui.system.qt_application import make_application

HEAVY = ("mlx.core", "mlx_lm", "transformers", "pyqtgraph", "numpy", "importlib.metadata")
application = make_application(["nestling"])
nestling = Nestling(application)
nestling.window.show()
shown = [m for m in HEAVY if m in sys.modules]
while nestling.runs.opened.plots_place.plots is None:
    application.processEvents()
print(json.dumps({"shown": shown, "plots": "pyqtgraph" in sys.modules}))
nestling.window.close()
nestling.shut_down()
"""

QT_TYPES = """
import threading
from PySide6 import QtCore, QtGui, QtWidgets
from app import application
from app.ui.system.qt_application import make_application

QT = (QtCore, QtGui, QtWidgets)
def to_come():
    return sum(len(set(dir(module)) - set(vars(module))) for module in QT)

counts = []
def watched(import_plotting=application.import_plotting):
    counts.append((to_come(), threading.current_thread() is threading.main_thread()))
    import_plotting()

application.import_plotting = watched
qt = make_application(["nestling"])
nestling = application.Nestling(qt)
nestling.window.show()
counts.append(to_come() > 100)
while nestling.runs.opened.plots_place.plots is None:
    qt.processEvents()
print(counts)
nestling.window.close()
nestling.shut_down()
"""


def test_no_type_of_qt_is_left_to_be_made_when_a_second_thread_imports_the_plots() -> None:
    """PySide makes them when they are asked for: in two threads at a time it ends the process."""
    done = subprocess.run(
        [sys.executable, "-c", QT_TYPES], capture_output=True, text=True, check=False,
        timeout=PATIENCE_SECONDS, cwd=Path(__file__).parents[2],
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "[True, (0, False)]"


def test_the_window_is_shown_before_anything_heavy_is_imported() -> None:
    done = subprocess.run(
        [sys.executable, "-c", SHOW], capture_output=True, text=True, check=False,
        timeout=PATIENCE_SECONDS,
        cwd=Path(__file__).parents[2],
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == {"shown": [], "plots": True}
