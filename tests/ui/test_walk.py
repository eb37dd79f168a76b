"""A whole visit by the X server's mouse and keyboard, under a window manager (see `walk`)."""

import shutil
import subprocess
import sys

import pytest

from tests.patience import PATIENCE_SECONDS
from tests.ui.walk import TOOLS


@pytest.mark.slow
@pytest.mark.skipif(not all(map(shutil.which, TOOLS)), reason=f"needs {', '.join(TOOLS)}")
def test_a_whole_visit_by_mouse_and_keyboard() -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "tests.ui.walk"], capture_output=True, text=True,
        timeout=PATIENCE_SECONDS * 6, check=False,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.splitlines() == [
        "first_run",
        "own_data",
        "resumed",
        "queue_of_three",
        "mapped",
        "found_model",
    ]
