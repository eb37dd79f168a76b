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


def test_the_window_is_shown_before_anything_heavy_is_imported() -> None:
    done = subprocess.run(
        [sys.executable, "-c", SHOW], capture_output=True, text=True, check=False,
        timeout=PATIENCE_SECONDS,
        cwd=Path(__file__).parents[2],
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == {"shown": [], "plots": True}
