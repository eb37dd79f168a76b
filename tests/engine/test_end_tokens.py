"""The token that ends a reply is found once, and again when the model's template is another."""

import shutil
from pathlib import Path

import pytest

from app.data.chat.template_process import TemplateProcess, end_template_processes
from app.engine.model.chat_prompt import mlx_lm_stop_tokens, stop_tokens
from app.engine.model.loading import load_tokenizer
from tests.conftest import CHATML


@pytest.fixture
def model(tiny_model: Path, tmp_path: Path) -> Path:
    return shutil.copytree(tiny_model, tmp_path / "model")


def ends(model: Path) -> frozenset[int]:
    return stop_tokens(model, load_tokenizer(model))


def test_a_second_run_on_a_model_starts_no_process_for_it(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = ends(model)
    end_template_processes()
    monkeypatch.setattr(TemplateProcess, "_start", lambda _: pytest.fail("rendered again"))
    assert ends(model) == first


def test_another_template_in_the_folder_is_noticed(model: Path) -> None:
    known = mlx_lm_stop_tokens(model, load_tokenizer(model))
    assert ends(model) == known  # this template ends a reply as the folder says
    (model / "chat_template.jinja").write_text(CHATML.replace("<|im_end|>", "<|im_start|>"))
    assert ends(model) > known
