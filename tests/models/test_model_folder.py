"""A model is described by its folder; hostile folders are refused quickly in one sentence."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mlx.core as mx
import pytest

from app.core.base_model import ModelLimits
from app.core.errors import InputError
from app.engine.model.loading import load_architecture, load_base_model, load_tokenizer
from app.models.model_folder import check_model_folder, context_tokens, folder_limits
from tests.models.hub_cache import add_to_hub_cache


@pytest.fixture
def copy(tiny_model: Path, tmp_path: Path) -> Path:
    return shutil.copytree(tiny_model, tmp_path / "copy")


def edit_config(folder: Path, **changes: object) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


@pytest.mark.parametrize(
    ("config", "tokens"),
    [
        ({"max_position_embeddings": 512}, 512),
        ({"n_positions": 1024, "n_ctx": 1024}, 1024),
        ({"n_ctx": 256}, 256),
        ({"text_config": {"max_position_embeddings": 8192}}, 8192),
        ({"max_position_embeddings": 2048.0}, 2048),
        # Llama 3.1 counts the scaling in; Qwen2.5 with YaRN does not; Phi-3 gives no factor.
        (
            {"max_position_embeddings": 131072,
             "rope_scaling": {"factor": 8.0, "original_max_position_embeddings": 8192}},
            131072,
        ),
        (
            {"max_position_embeddings": 32768,
             "rope_scaling": {"factor": 4.0, "original_max_position_embeddings": 32768}},
            131072,
        ),
        (
            {"max_position_embeddings": 131072, "original_max_position_embeddings": 4096,
             "rope_scaling": {"type": "longrope", "long_factor": [1.0]}},
            131072,
        ),
        # Gemma 3 counts the scaling in, and gives no original length.
        ({"max_position_embeddings": 131072, "rope_scaling": {"factor": 8.0}}, 131072),
        ({}, None),
        ({"max_position_embeddings": 10**30}, None),
        ({"max_position_embeddings": True, "n_ctx": -1}, None),
        ({"max_position_embeddings": "512", "rope_scaling": [8]}, None),
    ],
)  # fmt: skip
def test_the_context_length_comes_from_the_config(
    config: dict[str, Any], tokens: int | None
) -> None:
    assert context_tokens(config) == tokens


def test_embeddings_are_counted_from_the_header_of_the_weights(copy: Path) -> None:
    edit_config(copy, vocab_size=999, max_position_embeddings=64)
    assert folder_limits(copy) == ModelLimits(context_tokens=64, embedding_rows=320)


def test_a_quantised_embedding_has_as_many_rows(make_model: Callable[..., Path]) -> None:
    folder = make_model(hidden=64, bits=4)
    assert folder_limits(folder).embedding_rows == 320
    assert load_base_model(folder).limits.embedding_rows == 320


def test_without_a_readable_header_the_config_counts(copy: Path) -> None:
    (copy / "model.safetensors").write_bytes(b"no weights")
    assert folder_limits(copy).embedding_rows == 320


def test_a_loaded_model_has_the_rows_that_its_folder_states(tiny_model: Path) -> None:
    limits = load_base_model(tiny_model).limits
    assert limits == folder_limits(tiny_model) == ModelLimits(embedding_rows=320)


def test_a_model_of_links_as_the_hugging_face_cache_has_it_is_read(
    tiny_model: Path, tmp_path: Path
) -> None:
    snapshot = add_to_hub_cache(tmp_path, "org/tiny", tiny_model)
    assert check_model_folder(snapshot) == check_model_folder(tiny_model)
    assert load_base_model(snapshot).limits == load_base_model(tiny_model).limits


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
def test_a_link_that_leads_to_a_device_is_never_waited_for(copy: Path, name: str) -> None:
    (copy / name).unlink()
    (copy / name).symlink_to("/dev/zero")
    with pytest.raises(InputError, match="copy"):
        check_model_folder(copy)
        load_architecture(copy)


def test_watching_a_model_leaves_its_classes_as_they_were(tiny_model: Path) -> None:
    import mlx.nn as nn

    before = nn.Embedding.__call__
    load_base_model(tiny_model)
    assert nn.Embedding.__call__ is before


@pytest.mark.parametrize("name", ["num_hidden_layers", "n_layer"])
def test_a_hundred_million_layers_are_refused_before_they_are_built(copy: Path, name: str) -> None:
    edit_config(copy, **{name: 10**8})
    with pytest.raises(InputError, match=r"100,000,000 layers .*but the weights have 4\."):
        load_architecture(copy)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('{"model_type": "llama", "x": ' + "[" * 100_000 + "]" * 100_000 + "}", "nested too deep"),
        ('{"model_type": "llama", "x": ' + "1" * 5_000 + "}", "a number that is too long"),
        ('{"model_type": ["llama"]}', "names no model_type"),
        ('{"model_type": "llama", ' + " " * 2**25 + "}", "larger than 16,777,216 bytes"),
    ],
)
def test_a_config_that_python_can_t_read_is_refused_in_one_sentence(
    copy: Path, text: str, reason: str
) -> None:
    (copy / "config.json").write_text(text)
    for load in (load_architecture, load_tokenizer, folder_limits):
        with pytest.raises(InputError, match=rf"config\.json .*{reason}") as caught:
            load(copy)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "name", ["tokenizer_config.json", "tokenizer.json", "generation_config.json"]
)
@pytest.mark.parametrize("value", ["[" * 100_000 + "]" * 100_000, "1" * 5_000])
def test_a_tokenizer_s_file_that_python_can_t_read_is_refused_in_one_sentence(
    copy: Path, name: str, value: str
) -> None:
    (copy / name).write_text(f'{{"x": {value}}}')
    with pytest.raises(InputError, match="copy") as caught:
        load_base_model(copy)
    assert len(str(caught.value)) < 600
    assert "\n" not in str(caught.value)


def test_all_missing_weights_are_reported_in_one_sentence(copy: Path) -> None:
    weights = copy / "model.safetensors"
    arrays = mx.load(str(weights))
    kept = {name: array for name, array in arrays.items() if "layers.3" not in name}
    mx.save_safetensors(str(weights), kept, {"format": "mlx"})
    with pytest.raises(InputError, match=r"Missing 9 parameters: model\.layers\.3\.\S+, "):
        load_base_model(copy)
