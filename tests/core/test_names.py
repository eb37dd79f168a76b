"""A model is called by its repository where its folder is a hash."""

from pathlib import Path

import pytest

from app.core.files.paths import starter_model_dir
from app.core.wording.display_names import hub_repository, model_name, model_place

HUB = Path("/u/.cache/huggingface/hub")
SNAPSHOT = HUB / "models--mlx-community--Qwen3-4B-4bit" / "snapshots" / "0123abcd"


def test_a_snapshot_of_the_hugging_face_cache_has_the_name_of_its_repository() -> None:
    assert hub_repository(SNAPSHOT) == "mlx-community/Qwen3-4B-4bit"
    assert model_name(SNAPSHOT) == "Qwen3-4B-4bit"
    assert model_place(SNAPSHOT) == HUB
    # Before organizations, and a name with two hyphens in it.
    assert model_name(HUB / "models--gpt2" / "snapshots" / "0123abcd") == "gpt2"
    assert hub_repository(HUB / "models--a--b--c" / "snapshots" / "1") == "a/b--c"


@pytest.mark.parametrize("folder", ["/m/Qwen3-4B", "/m/snapshots/Qwen3-4B", "Qwen3-4B"])
def test_any_other_folder_has_its_own_name(folder: str) -> None:
    assert model_name(Path(folder)) == "Qwen3-4B"
    assert hub_repository(Path(folder)) == ""
    assert model_place(Path(folder)) == Path(folder).parent


def test_the_starter_model_is_called_so() -> None:
    assert model_name(starter_model_dir()) == "Starter model"
