"""Base models that can't be used are refused with the reason; quantised ones load."""

import glob
import json
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import mlx.core as mx
import pytest

from app.core.errors import InputError
from app.engine.model.loading import check_configuration, load_base_model
from app.engine.runtime.mlx_runtime import import_mlx_lm
from app.models.model_folder import check_model_folder
from tests.other_base_models import edit_config
from tests.patience import PATIENCE_SECONDS


@pytest.fixture
def copy(tiny_model: Path, tmp_path: Path) -> Path:
    return shutil.copytree(tiny_model, tmp_path / "copy")


def test_a_good_folder_loads_with_its_tokenizer(tiny_model: Path) -> None:
    base = load_base_model(tiny_model)
    assert base.parameters == 47_392
    assert base.tokenizer.encode("a")
    assert base.model(mx.array([[1, 2]])).shape == (1, 2, 320)


def test_a_quantised_folder_counts_the_parameters_it_stands_for(
    make_model: Callable[..., Path],
) -> None:
    assert load_base_model(make_model(hidden=64, bits=4)).parameters == load_base_model(
        make_model(hidden=64)
    ).parameters  # fmt: skip


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"There is no model folder at .*/nowhere"):
        load_base_model(tmp_path / "nowhere")


def test_a_file_is_no_model(tmp_path: Path) -> None:
    (tmp_path / "model.gguf").write_bytes(b"GGUF")
    with pytest.raises(InputError, match="is a file; a model is a folder"):
        load_base_model(tmp_path / "model.gguf")


def test_a_folder_without_config_is_no_model(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"it has no config\.json"):
        load_base_model(tmp_path)


def test_a_folder_without_weights_is_named(copy: Path) -> None:
    (copy / "model.safetensors").unlink()
    with pytest.raises(InputError, match="contains no weights"):
        check_model_folder(copy)


@pytest.mark.parametrize("text", ["{", "[]", "{}", "\x00"])
def test_a_broken_config_is_named(copy: Path, text: str) -> None:
    (copy / "config.json").write_text(text)
    with pytest.raises(InputError, match=r"config\.json"):
        load_base_model(copy)


def test_an_architecture_mlx_lm_does_not_know_is_named(copy: Path) -> None:
    edit_config(copy, model_type="never_heard_of")
    with pytest.raises(InputError, match="'never_heard_of', which mlx-lm does not know"):
        load_base_model(copy)


def test_an_architecture_whose_code_ends_the_program_is_refused_with_its_own_reason(
    copy: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "hf_olmo", None)  # also where that package is there
    monkeypatch.delitem(sys.modules, "mlx_lm.models.olmo", raising=False)
    edit_config(copy, model_type="olmo")
    for use in (load_base_model, check_configuration):
        with pytest.raises(InputError, match="ends the program: To run olmo install ai2-olmo"):
            use(copy)
    assert capsys.readouterr().out == ""


def test_a_config_that_lacks_a_key_is_refused(copy: Path) -> None:
    config = json.loads((copy / "config.json").read_text())
    del config["hidden_size"]
    (copy / "config.json").write_text(json.dumps(config))
    with pytest.raises(InputError, match="hidden_size"):
        load_base_model(copy)


def test_weights_of_another_shape_are_refused(copy: Path) -> None:
    edit_config(copy, intermediate_size=96)
    with pytest.raises(InputError, match="can't be loaded"):
        load_base_model(copy)


@pytest.mark.parametrize("keep", [0, 7, 200, 20_000])
def test_truncated_weights_are_refused(copy: Path, keep: int) -> None:
    path = copy / "model.safetensors"
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(InputError, match="copy"):
        load_base_model(copy)


def test_a_missing_tokenizer_is_named(copy: Path) -> None:
    for name in ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"):
        (copy / name).unlink(missing_ok=True)
    with pytest.raises(InputError, match="tokenizer"):
        load_base_model(copy)


def test_loading_leaves_the_limit_of_open_files_as_it_was() -> None:
    code = (
        "import resource; before = resource.getrlimit(resource.RLIMIT_NOFILE);"
        "from app.engine.runtime.mlx_runtime import import_mlx_lm, close_thread; import_mlx_lm();"
        "assert resource.getrlimit(resource.RLIMIT_NOFILE) == before; close_thread()"
    )
    if resource.getrlimit(resource.RLIMIT_NOFILE)[1] <= 4096:
        pytest.skip("this machine's own limit is what mlx-lm would set")
    subprocess.run([sys.executable, "-c", code], check=True, timeout=PATIENCE_SECONDS)


@pytest.mark.parametrize("name", ["m[1]", "all [4bit]*", "why?"])
def test_a_folder_named_like_a_pattern_is_loaded(
    tiny_model: Path, tmp_path: Path, name: str
) -> None:
    """mlx-lm takes the folder's name for a part of its pattern."""
    shutil.copytree(tiny_model, tmp_path / name)
    assert load_base_model(tmp_path / name).parameters == load_base_model(tiny_model).parameters
    assert import_mlx_lm().glob is glob
