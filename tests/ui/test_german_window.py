"""The window in each language, in a process of its own: no English is left in German, and nothing
is cut off.
"""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.patience import PATIENCE_SECONDS
from tests.ui.language_window import Found


@pytest.mark.parametrize("language", ["de", "en"])
def test_every_page_fits_narrow_windows_in_its_language(language: str, tmp_path: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "tests.ui.language_window", language, str(tmp_path)],
        capture_output=True, text=True, timeout=PATIENCE_SECONDS,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    found = Found(**json.loads(ended.stdout.splitlines()[-1]))
    assert len(found.texts) > 100
    assert found.english == []
    assert found.too_wide == []
    assert found.cut_off == []
    assert found.elided == []
