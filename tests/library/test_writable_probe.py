"""Two processes may try at the same moment whether the same folder can be written to."""

from datetime import datetime
from pathlib import Path

import pytest

from app.library.run import run_folder


def test_a_probe_of_another_process_at_the_same_moment_refuses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    moment = datetime(2026, 11, 30)

    class Clock(datetime):
        @classmethod
        def now(cls, _zone: object = None) -> datetime:  # type: ignore[override]
            return moment

    monkeypatch.setattr(run_folder, "datetime", Clock)
    other = tmp_path / f".nestling-probe-{moment.timestamp():.6f}"
    other.mkdir()
    run_folder.check_writable(tmp_path / "runs" / "task-1")
    assert list(tmp_path.iterdir()) == [other]
