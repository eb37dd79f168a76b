"""A queue that can't be read is put aside under a name that nothing else has."""

import os
from pathlib import Path

import pytest

from app.core.errors import InputError
from app.library.queue_store import read_queue


def test_two_damaged_queues_of_one_second_are_both_kept(tmp_path: Path) -> None:
    path = tmp_path / "queue.json"
    for content in ("first {", "second {", "third {"):
        path.write_text(content)
        with pytest.raises(InputError, match="kept in"):
            list(read_queue(path).runs)
    kept = {(tmp_path / name).read_text() for name in os.listdir(tmp_path)}
    assert kept == {"first {", "second {", "third {"}
