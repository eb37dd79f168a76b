"""The window in German, in a process of its own: no English is left, and nothing is cut off."""

import json
import subprocess
import sys
from pathlib import Path

from tests.patience import PATIENCE_SECONDS
from tests.ui.language_window import Found


def test_every_page_is_german_and_fits_the_smallest_window(tmp_path: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "tests.ui.language_window", "de", str(tmp_path)],
        capture_output=True, text=True, timeout=PATIENCE_SECONDS,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    found = Found(**json.loads(ended.stdout.splitlines()[-1]))
    assert len(found.texts) > 100
    assert found.english == []
    assert found.too_wide == []
    assert found.cut_off == []
