"""A user's home of its own for tests of where models lie."""

from pathlib import Path

import pytest

ELSEWHERE = ("HF_HOME", "HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "XDG_CACHE_HOME", "OLLAMA_MODELS")


def make_user_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    user = tmp_path / "user"
    user.mkdir()
    monkeypatch.setenv("HOME", str(user))
    for name in ELSEWHERE:
        monkeypatch.delenv(name, raising=False)
    return user
