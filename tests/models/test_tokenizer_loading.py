"""A tokenizer without MLX is the one that a run uses: the same rows, in the same store."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from app.core.errors import InputError
from app.core.files.paths import starter_model_dir
from app.data.tokenizing.token_store import _identity
from app.engine.model.loading import load_tokenizer
from app.models.tokenizer_without_mlx import load_tokenizer_without_mlx
from tests.patience import PATIENCE_SECONDS

ROOT = Path(__file__).resolve().parents[2]
ASK = """
import json, sys
from pathlib import Path
from app.data.tokenizing.token_store import _identity
from app.models.tokenizer_without_mlx import load_tokenizer_without_mlx
alone = load_tokenizer_without_mlx(Path(sys.argv[1]))
heavy = sorted({"mlx", "mlx.core", "torch", "PySide6"} & set(sys.modules))
print(json.dumps([_identity(alone), heavy]))
"""


def in_another_process(model: Path) -> tuple[list[object], list[str]]:
    done = subprocess.run(
        [sys.executable, "-c", ASK, model], cwd=ROOT, capture_output=True, text=True, check=True,
        timeout=PATIENCE_SECONDS,
    )  # fmt: skip
    identity, heavy = json.loads(done.stdout.splitlines()[-1])
    return identity, heavy


@pytest.fixture
def thinking_model(tiny_model: Path, tmp_path: Path) -> Path:
    """One that thinks by its template, ends by more than one token, and is told so."""
    folder = tmp_path / "thinking"
    shutil.copytree(tiny_model, folder)
    config = json.loads((folder / "tokenizer_config.json").read_text())
    template = "{% if enable_thinking %}<think>{% endif %}{{ messages[0]['content'] }}"
    config["chat_template"] = template
    for name in ("chat_template.jinja",):
        (folder / name).write_text(template)
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    (folder / "generation_config.json").write_text(json.dumps({"eos_token_id": [1, 2]}))
    return folder


def test_it_is_the_same_tokenizer_and_brings_no_mlx(tiny_model: Path, thinking_model: Path) -> None:
    for model in (tiny_model, starter_model_dir(), thinking_model):
        identity, heavy = in_another_process(model)
        assert identity == json.loads(json.dumps(_identity(load_tokenizer(model))))
        assert heavy == []


def test_beside_mlx_it_is_the_same_too(tiny_model: Path) -> None:
    assert _identity(load_tokenizer_without_mlx(tiny_model)) == _identity(
        load_tokenizer(tiny_model)
    )  # type: ignore[arg-type]


def test_an_architecture_with_a_say_in_it_is_left_to_runs(tiny_model: Path, tmp_path: Path) -> None:
    folder = tmp_path / "other"
    shutil.copytree(tiny_model, folder)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"model_type": "muse_spark"}))
    assert load_tokenizer_without_mlx(folder) is None


def test_what_is_wrong_is_named(tiny_model: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no model folder"):
        load_tokenizer_without_mlx(tmp_path / "gone")
    folder = tmp_path / "broken"
    shutil.copytree(tiny_model, folder)
    (folder / "tokenizer.json").write_text("{")
    with pytest.raises(InputError, match=r"The tokenizer in .* can't be loaded"):
        load_tokenizer_without_mlx(folder)
