"""A user's home of its own, without models and without the variables that name other places."""

from pathlib import Path

import pytest

from tests.models.user_home import make_user_home


@pytest.fixture
def user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return make_user_home(tmp_path, monkeypatch)
