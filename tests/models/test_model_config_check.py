"""A config.json of odd values: refused in one sentence that names key and file, or no hindrance."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from app.cli.commands import run
from app.core.config.training_config import TrainingConfig
from app.core.errors import InputError
from app.engine.model.loading import load_architecture, load_tokenizer
from app.engine.training.trainer import train
from app.workers.jobs.training import tier_preview
from tests.other_base_models import edit_config

HUGE = 10**400
COUNT, NUMBER, OBJECT = (f", where {kind} is needed" for kind in
                         ("a whole number", "a number", "an object"))  # fmt: skip
ABOVE = ", where a whole number above 0 is needed"
REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"vocab_size": "320"}, 'vocab_size is "320"' + COUNT),
    ({"vocab_size": 320.5}, "vocab_size is 320.5" + COUNT),
    ({"vocab_size": -5}, "vocab_size is -5" + ABOVE),
    ({"vocab_size": 10**15}, "vocab_size is 1000000000000000, which no model has"),
    ({"hidden_size": True}, "hidden_size is true" + COUNT),
    ({"hidden_size": None}, "hidden_size is null" + COUNT),
    ({"hidden_size": [32]}, "hidden_size is [32]" + COUNT),
    ({"num_hidden_layers": 0}, "num_hidden_layers is 0" + ABOVE),
    ({"num_hidden_layers": -1}, "num_hidden_layers is -1" + ABOVE),
    ({"num_hidden_layers": 4.0}, "num_hidden_layers is 4.0" + COUNT),
    ({"num_hidden_layers": 10**8}, "names 100,000,000 layers (num_hidden_layers)"),
    ({"num_hidden_layers": HUGE}, "num_hidden_layers is a number of 401 digits"),
    ({"layer_types": ["full_attention"] * 10**5}, "names 100,000 layers (layer_types)"),
    ({"layer_types": [1, 1, 1, 1]}, "layer_types is [1, 1, 1, 1], where a list of texts"),
    ({"num_attention_heads": 0}, "num_attention_heads is 0" + ABOVE),
    ({"num_attention_heads": "4"}, 'num_attention_heads is "4"' + COUNT),
    ({"head_dim": -32}, "head_dim is -32, which no model has"),
    ({"rms_norm_eps": "1e-5"}, 'rms_norm_eps is "1e-5"' + NUMBER),
    ({"rms_norm_eps": -1}, "rms_norm_eps is -1, where more than 0 is needed"),
    # With these the model can be built, and not be called.
    ({"rope_theta": "10000"}, 'rope_theta is "10000"' + NUMBER),
    ({"rope_theta": HUGE}, "rope_theta is a number of 401 digits"),
    ({"layer_types": ["odd"] * 4}, 'lists no layer of the type "full_attention"'),
    ({"rope_scaling": "linear"}, 'rope_scaling is "linear"' + OBJECT),
    ({"rope_scaling": {"type": "linear", "factor": "2"}}, 'factor in rope_scaling is "2"' + NUMBER),
    ({"rope_scaling": {"type": "linear", "factor": 0}}, "factor in rope_scaling is 0, where more"),
    ({"quantization": "4bit"}, 'quantization is "4bit"' + OBJECT),
    ({"quantization": [4]}, "quantization is [4]" + OBJECT),
    ({"quantization": {}}, "lacks group_size in quantization"),
    ({"quantization_config": "awq"}, 'quantization_config is "awq"' + OBJECT),
    ({"architectures": 5}, "architectures is 5, where a list of texts or a text is needed"),
    ({"model_type": "gemma3"}, "lacks text_config"),
    ({"model_type": "gemma3", "text_config": "x"}, 'text_config is "x"' + OBJECT),
    ({"model_type": "gemma3", "text_config": None}, "text_config is null" + OBJECT),
    ({"model_type": "gemma3", "text_config": {}}, "lacks model_type in text_config"),
]
HARMLESS: list[dict[str, Any]] = [
    {"head_dim": None}, {"head_dim": 0}, {"rope_theta": 10000}, {"rope_scaling": None},
    {"quantization": None}, {"quantization": {"group_size": 64, "bits": "4"}},
    {"quantization_config": {}}, {"max_position_embeddings": -1},
    {"max_position_embeddings": HUGE}, {"architectures": "Llama"}, {"text_config": "x"},
    {"sliding_window": None}, {"num_experts": 0}, {"num_nextn_predict_layers": "none"},
]  # fmt: skip


@pytest.fixture
def copy(tiny_model: Path, tmp_path: Path) -> Path:
    return shutil.copytree(tiny_model, tmp_path / "copy")


@pytest.mark.parametrize(("changes", "reason"), REFUSED)
def test_an_odd_value_is_refused_by_its_key_and_file(
    changes: dict[str, Any], reason: str, copy: Path
) -> None:
    edit_config(copy, **changes)
    with pytest.raises(InputError) as caught:
        load_architecture(copy)
    assert reason in caught.value.message
    assert str(copy / "config.json") in caught.value.message
    assert "\n" not in str(caught.value)
    assert len(caught.value.message) < 400


@pytest.mark.parametrize("changes", HARMLESS)
def test_a_harmless_odd_value_is_accepted(changes: dict[str, Any], copy: Path) -> None:
    edit_config(copy, **changes)
    assert len(load_architecture(copy).layers) == 4


def test_another_fault_is_not_blamed_on_a_harmless_odd_value(copy: Path) -> None:
    edit_config(copy, num_experts=-1, num_heads=0, text_config="x")
    (copy / "model.safetensors").write_bytes(b"no weights")
    with pytest.raises(InputError) as caught:
        load_architecture(copy)
    assert "config.json" not in str(caught.value)
    (copy / "tokenizer.json").unlink()
    with pytest.raises(InputError, match=r"needs tokenizer\.json"):
        load_tokenizer(copy)


def test_a_list_at_the_top_is_no_configuration(copy: Path) -> None:
    (copy / "config.json").write_text("[1, 2]")
    with pytest.raises(InputError, match=r"config\.json names no model_type"):
        load_architecture(copy)


@pytest.mark.parametrize(
    "changes", [{"vocab_size": "320"}, {"eos_token_id": {}}, {"architectures": 5}]
)
def test_values_that_transformers_refuses_before_the_tokenizer_are_named(
    changes: dict[str, Any], copy: Path
) -> None:
    edit_config(copy, **changes)
    ((key, value),) = changes.items()
    with pytest.raises(InputError) as caught:
        load_tokenizer(copy)
    assert f"{copy / 'config.json'}, {key} is {json.dumps(value)}, " in caught.value.message
    assert "tokenizer.json" not in str(caught.value)


def test_a_checkpoint_whose_base_has_become_odd_does_not_answer(
    copy: Path, chat_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = TrainingConfig(model=copy, data=chat_file, steps=1, output=tmp_path / "run")
    assert list(train(made))
    edit_config(copy, num_hidden_layers="4")
    arguments = ["generate", "--run", str(tmp_path / "run"), "--prompt", "a"]
    assert run(arguments, lambda _: 0) != 0
    errors = " ".join(capsys.readouterr().err.split())
    assert f'{copy / "config.json"}, num_hidden_layers is "4"{COUNT}.' in errors
    assert run(["show", str(tmp_path / "run")], lambda _: 0) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "The configuration of the base model" in shown


@pytest.fixture
def odd(copy: Path) -> Path:
    edit_config(copy, num_hidden_layers="4")
    return copy


@pytest.mark.parametrize("command", ["check", "train"])
def test_every_command_says_it_before_any_work(
    command: str, odd: Path, chat_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = {"check": [], "train": ["--data"]}[command]
    assert run([command, *data, str(chat_file), "--model", str(odd)], lambda _: 0) != 0
    printed = capsys.readouterr()
    errors = " ".join(printed.err.split())
    assert f'{odd / "config.json"}, num_hidden_layers is "4"{COUNT}.' in errors
    assert "Reading the dataset" not in printed.out


def test_the_window_reports_it_when_the_model_is_chosen(odd: Path) -> None:
    with pytest.raises(InputError, match=r"config\.json, num_hidden_layers is"):
        list(tier_preview(TrainingConfig(model=odd))(lambda: False))
