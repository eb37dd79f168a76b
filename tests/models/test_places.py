"""Where models are found: each place by its own rules, each model once."""

import json
import os
from pathlib import Path

import pytest

from app.models.catalog import list_models
from app.models.model_description import ModelDescription
from app.models.remembered_models import (
    forget_folder,
    read_remembered_models,
    remember_folder,
    remember_use,
)
from tests.models.hub_cache import REVISION, add_to_hub_cache
from tests.models.made_models import write_model

NEWER = "f" * 40


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return write_model(tmp_path / "it", num_hidden_layers=1)


def found() -> dict[str, ModelDescription]:
    return {model.name: model for model in list_models()}


def test_without_models_nothing_is_found(user: Path) -> None:
    assert found() == {}


@pytest.mark.parametrize(
    ("variable", "value", "hub"),
    [
        ("", "", ".cache/huggingface/hub"),
        ("HF_HOME", "{user}/hf", "hf/hub"),
        ("HF_HOME", "~/hf", "hf/hub"),
        ("HF_HOME", "$HOME/hf", "hf/hub"),
        ("HF_HUB_CACHE", "{user}/cache", "cache"),
        ("HUGGINGFACE_HUB_CACHE", "{user}/cache", "cache"),
        ("XDG_CACHE_HOME", "{user}/xdg", "xdg/huggingface/hub"),
    ],
)
def test_the_hugging_face_cache_is_where_its_own_variables_say(
    user: Path, model: Path, monkeypatch: pytest.MonkeyPatch, variable: str, value: str, hub: str
) -> None:
    if variable:
        monkeypatch.setenv(variable, value.format(user=user))
    snapshot = add_to_hub_cache(user / hub, "org/it", model)
    assert [(m.name, m.folder, m.source) for m in list_models()] == [
        ("org/it", snapshot, "Hugging Face")
    ]


def test_a_variable_with_an_unknown_user_s_folder_is_ignored(
    user: Path, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HF_HOME", "HF_HUB_CACHE", "OLLAMA_MODELS"):
        monkeypatch.setenv(name, "~no-such-user/x")
    remember_folder(model)
    assert set(found()) == {"it"}


def test_a_folder_whose_name_is_not_utf_8_is_listed_with_the_reason(user: Path) -> None:
    place = user / ".lmstudio" / "models" / "org"
    write_model(place / os.fsdecode(b"\xff"), num_hidden_layers=1)
    for _ in range(2):
        (model,) = list_models()
        assert "can't be opened: the name is not UTF-8." in model.problem


def test_the_snapshot_is_that_of_main(user: Path, model: Path) -> None:
    hub = user / ".cache/huggingface/hub"
    old = add_to_hub_cache(hub, "org/it", model)
    new = add_to_hub_cache(hub, "org/it", model, NEWER)
    assert found()["org/it"].folder == new
    refs = hub / "models--org--it" / "refs"
    (refs / "main").write_text(REVISION)
    assert found()["org/it"].folder == old
    # Where main means nothing that is there, the newest.
    for name in ("../../x", "", "\0"):
        (refs / "main").write_text(name)
        os.utime(new, (2e9, 2e9))
        assert found()["org/it"].folder == new


def test_an_incomplete_download_says_how_to_continue(user: Path) -> None:
    blobs = user / ".cache/huggingface/hub/models--org--it/blobs"
    blobs.mkdir(parents=True)
    assert found() == {}
    (blobs / "0123.incomplete").write_bytes(b"")
    model = found()["org/it"]
    assert model.problem == "The download of org/it isn't complete."
    assert model.hint == "Run hf download org/it to resume it."


def test_datasets_in_the_cache_are_no_models(user: Path) -> None:
    snapshot = user / ".cache/huggingface/hub/datasets--org--it/snapshots/1"
    write_model(snapshot, num_hidden_layers=1)
    assert found() == {}


@pytest.mark.parametrize("home", [".lmstudio", ".cache/lm-studio"])
def test_models_of_lm_studio_are_called_by_publisher_and_name(user: Path, home: str) -> None:
    write_model(user / home / "models" / "mlx-community" / "it-4bit", num_hidden_layers=1)
    (user / home / "models" / "org" / "it-GGUF").mkdir(parents=True)
    (user / home / "models" / "org" / "it-GGUF" / "it.gguf").write_bytes(b"GGUF")
    models = found()
    assert set(models) == {"mlx-community/it-4bit", "org/it-GGUF"}
    assert {model.source for model in models.values()} == {"LM Studio"}
    problem = "org/it-GGUF contains a GGUF model, which MLX can't train."
    assert models["org/it-GGUF"].problem == problem


def test_models_in_lm_studio_s_custom_folder_are_found(user: Path) -> None:
    write_model(user / "big disk" / "org" / "it", num_hidden_layers=1)
    (user / "studio").mkdir()
    (user / ".lmstudio-home-pointer").write_text(f"{user}/studio\n")
    settings = {"downloadsFolder": str(user / "big disk")}
    (user / "studio" / "settings.json").write_text(json.dumps(settings))
    assert found()["org/it"].source == "LM Studio"


def test_ollama_s_models_are_listed_as_unusable(user: Path) -> None:
    store = user / ".ollama" / "models"
    manifest = store / "manifests/registry.ollama.ai/library/llama3.2/3b"
    manifest.parent.mkdir(parents=True)
    (store / "blobs").mkdir()
    facts = {"model_family": "llama", "model_type": "3.2B", "file_type": "Q4_K_M"}
    (store / "blobs" / "sha256-12").write_text(json.dumps(facts))
    layers = [
        {"mediaType": "application/vnd.ollama.image.model", "size": 2_019_377_376},
        {"mediaType": "application/vnd.ollama.image.license", "size": 7_711},
    ]
    manifest.write_text(json.dumps({"config": {"digest": "sha256:12"}, "layers": layers}))
    (manifest.parent / "broken").write_text("{")
    (manifest.parent / "odd").write_text('{"layers": ["x", {"size": "y"}], "config": 3}')
    models = found()
    assert set(models) == {"llama3.2:3b", "llama3.2:odd"}
    model = models["llama3.2:3b"]
    assert model.problem == "Ollama keeps models as GGUF, which MLX can't train."
    assert (model.architecture, model.parameters, model.quantization, model.size_bytes) == (
        "llama", 3_200_000_000, "Q4_K_M", 2_019_377_376,
    )  # fmt: skip


def test_a_folder_that_was_chosen_once_is_looked_into_again(user: Path, model: Path) -> None:
    remember_folder(model)
    assert found()["it"].folder == model
    assert found()["it"].chosen == model
    forget_folder(model)
    assert found() == {}
    assert model.is_dir()


def test_a_folder_of_models_stands_for_all_of_them(user: Path, tmp_path: Path) -> None:
    place = tmp_path / "my models"
    for name in ("a", "org/b", "org/c"):
        write_model(place / name, num_hidden_layers=1)
    (place / "website").mkdir()
    (place / "website" / "config.json").write_text("{}")
    remember_folder(place)
    models = found()
    assert set(models) == {"a", "org/b", "org/c"}
    assert {model.chosen for model in models.values()} == {place}


@pytest.mark.parametrize("inside", ["", "hub"])
def test_a_hugging_face_cache_that_is_chosen_is_read_as_one(
    user: Path, tmp_path: Path, model: Path, inside: str
) -> None:
    add_to_hub_cache(tmp_path / "elsewhere" / inside, "org/it", model)
    remember_folder(tmp_path / "elsewhere")
    assert found()["org/it"].source == "Hugging Face"


def test_a_chosen_folder_that_is_gone_is_still_named(user: Path, tmp_path: Path) -> None:
    remember_folder(tmp_path / "away")
    assert found()["away"].problem == f"{tmp_path / 'away'} isn't there any more."


def test_a_model_that_is_found_in_two_ways_is_listed_once(user: Path) -> None:
    folder = write_model(user / ".lmstudio/models/org/it", num_hidden_layers=1)
    (user / "link").symlink_to(folder)
    remember_folder(user / "link")
    remember_folder(user / ".lmstudio" / "models")
    assert [model.name for model in list_models()] == ["org/it"]


def test_choices_survive_sessions_and_a_damaged_file_is_ignored(
    user: Path, own_home: Path, tmp_path: Path
) -> None:
    remember_folder(tmp_path / "a")
    remember_folder(tmp_path / "b")
    remember_folder(tmp_path / "a")
    remember_use(tmp_path / "b", 5.0)
    kept = read_remembered_models()
    assert kept.folders == (tmp_path / "a", tmp_path / "b")
    assert kept.used == {str(tmp_path / "b"): 5.0}
    for odd in ("", "[]", '{"folders": [1, "", {}], "used": [3]}', '{"used": {"x": "y"}}', "\xff"):
        (own_home / "models.json").write_bytes(odd.encode("latin-1"))
        assert read_remembered_models().folders == ()
        assert found() == {}
