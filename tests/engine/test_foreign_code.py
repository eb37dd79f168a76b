"""A model folder never runs code: none that it brings along, and none hidden in a pickle."""

import io
import json
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from app.core.errors import InputError
from app.engine.model.loading import load_architecture, load_base_model, load_tokenizer
from app.models.tokenizer_without_mlx import load_tokenizer_without_mlx

REFUSED = "needs Python code from the model folder; Nestling does not run code of models"


@pytest.fixture
def hostile(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Path]:
    """Models beside whose files lies a module that leaves a mark when it is imported; whoever is
    asked whether to run it says yes."""
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n" * 9))
    monkeypatch.setattr("transformers.dynamic_module_utils.HF_MODULES_CACHE", str(tmp_path / "hf"))
    folder = tmp_path / "hostile"

    def make(file: str, **changes: object) -> Path:
        shutil.copytree(tiny_model, folder)
        config = json.loads((folder / file).read_text())
        (folder / file).write_text(json.dumps(config | changes))
        mark = str(tmp_path / "mark")
        (folder / "evil.py").write_text(f"open({mark!r}, 'w').close()\nclass Evil: pass\n")
        return folder

    return make


@pytest.mark.parametrize("load", [load_tokenizer, load_tokenizer_without_mlx, load_base_model])
def test_a_tokenizers_own_code_is_not_run(
    hostile: Callable[..., Path], tmp_path: Path, load: Callable[[Path], Any]
) -> None:
    code = {"AutoTokenizer": ["evil.Evil", "evil.Evil"]}
    model = hostile("tokenizer_config.json", tokenizer_class="Evil", auto_map=code)
    with pytest.raises(InputError) as refusal:
        load(model)
    assert str(refusal.value).startswith(f"The tokenizer in {model} {REFUSED}.")
    assert not (tmp_path / "mark").exists()


@pytest.mark.parametrize("load", [load_tokenizer_without_mlx, load_tokenizer])
def test_the_code_of_an_unknown_kind_of_model_is_not_run(
    hostile: Callable[..., Path], tmp_path: Path, load: Callable[[Path], Any]
) -> None:
    model = hostile("config.json", model_type="evil", auto_map={"AutoConfig": "evil.Evil"})
    config = json.loads((model / "tokenizer_config.json").read_text())
    code = {"tokenizer_class": "Evil", "auto_map": {"AutoTokenizer": ["evil.Evil", None]}}
    (model / "tokenizer_config.json").write_text(json.dumps(config | code))
    with pytest.raises(InputError) as refusal:
        load(model)
    assert str(refusal.value).startswith(f"The tokenizer in {model} {REFUSED}.")
    assert not (tmp_path / "mark").exists()


@pytest.mark.parametrize("load", [load_architecture, load_tokenizer, load_tokenizer_without_mlx])
def test_a_model_built_by_its_own_code_is_refused(
    hostile: Callable[..., Path], tmp_path: Path, load: Callable[[Path], Any]
) -> None:
    model = hostile("config.json", model_file="evil.py")
    with pytest.raises(InputError) as refusal:
        load(model)
    assert str(refusal.value).startswith(f"The model in {model} {REFUSED}.")
    assert not (tmp_path / "mark").exists()


class _Mark:
    def __init__(self, path: Path) -> None:
        self._path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self._path,)


def test_no_pickle_is_opened(tiny_model: Path, tmp_path: Path) -> None:
    model = tmp_path / "pickled"
    shutil.copytree(tiny_model, model)
    for name in ("pytorch_model.bin", "model.pt", "vocab.pkl", "tokenizer.model", "model.npz"):
        (model / name).write_bytes(pickle.dumps(_Mark(tmp_path / "mark")))
    load_base_model(model)
    load_tokenizer_without_mlx(model)
    assert not (tmp_path / "mark").exists()
