"""The list of models: recents first, read again only where files have changed, never all at once
where time is short."""

import os
from pathlib import Path

import pytest

from app.core.files.paths import cache_dir
from app.models.catalog import INDEX_FILE, list_models
from app.models.model_code import RENAMED, knows_architecture
from app.models.model_description import ModelDescription
from app.models.remembered_models import remember_use
from tests.models.made_models import write_model


@pytest.fixture
def models(user: Path) -> Path:
    """Three: a, b, and c, which has no tokenizer."""
    place = user / ".lmstudio" / "models" / "org"
    for name in ("b", "c", "a"):
        write_model(place / name, num_hidden_layers=1)
    (place / "c" / "tokenizer.json").unlink()
    return place


def names() -> list[str]:
    return [model.short_name for model in list_models()]


def test_recents_come_first_and_what_can_t_be_trained_last(models: Path) -> None:
    assert names() == ["a", "b", "c"]
    remember_use(models / "b", 1.0)
    assert names() == ["b", "a", "c"]
    remember_use(models / "a", 2.0)
    assert names() == ["a", "b", "c"]


def test_a_folder_is_read_again_only_when_its_files_have_changed(
    models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = list_models()
    read: list[str] = []

    def described(found: object, files: object) -> ModelDescription:
        read.append(str(found))
        return before[0]

    monkeypatch.setattr("app.models.catalog.describe", described)
    assert list_models() == before
    assert read == []
    os.utime(models / "b" / "config.json")
    list_models()
    assert len(read) == 1
    assert "org/b" in read[0]


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"version": "", "models": {}}'])
def test_a_damaged_index_costs_time_and_nothing_else(models: Path, content: bytes) -> None:
    before = list_models()
    (cache_dir() / INDEX_FILE).write_bytes(content)
    assert list_models() == before


def test_an_odd_entry_of_the_index_is_reread(models: Path) -> None:
    before = list_models()
    index = cache_dir() / INDEX_FILE
    index.write_text(index.read_text().replace('"smallest_bytes"', '"odd"'))
    assert list_models() == before


def test_where_time_is_short_models_are_listed_before_they_are_read(models: Path) -> None:
    unread = list_models(reading_seconds=0.0)
    assert [(m.short_name, m.is_read) for m in unread] == [(n, False) for n in "abc"]
    assert all(model.size_bytes for model in unread)
    assert [m.is_read for m in list_models()] == [True] * 3
    assert [m.is_read for m in list_models(reading_seconds=0.0)] == [True] * 3


def test_the_architectures_are_those_of_mlx_lm() -> None:
    from mlx_lm.utils import MODEL_REMAPPING

    assert RENAMED == MODEL_REMAPPING
    assert all(knows_architecture({"model_type": kind}) for kind in ("llama", "qwen3", *RENAMED))
    assert not knows_architecture({"model_type": "whisper"})
    assert not knows_architecture({"model_type": "../llama"})
