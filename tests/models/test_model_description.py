"""The Models list describes a folder: facts from its files, or why it can't be trained."""

import json
import random
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from app.core.errors import InputError
from app.engine.model.loading import count_parameters, load_architecture
from app.models.file_listing import read_folder_files
from app.models.model_description import ModelDescription, describe
from app.models.model_locations import ModelLocation
from tests.models.hub_cache import add_to_hub_cache
from tests.models.made_models import QUANTIZED, llama_config, llama_tensors, write_model
from tests.models.made_models import write_safetensors as write_weights

MODEL = "model.safetensors"


def described(folder: Path) -> ModelDescription:
    return describe(ModelLocation(folder, "org/it", "Folder"), read_folder_files(folder))


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return write_model(tmp_path / "it", num_hidden_layers=2)


def edit_json(file: Path, **changes: object) -> None:
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))


def test_llama_3_2_1b_is_described_by_its_config_and_headers(tmp_path: Path) -> None:
    found = described(write_model(tmp_path / "llama"))
    assert (found.architecture, found.quantization, found.license) == (
        "llama", "4-bit", "apache-2.0",
    )  # fmt: skip
    assert (found.parameters, found.context_tokens) == (1_235_814_400, 131_072)
    assert found.size_bytes == pytest.approx(695e6, rel=0.01)
    assert found.problem == found.note == ""


@pytest.mark.parametrize("bits", [None, 3, 4, 6, 8])
def test_packed_weights_count_as_the_numbers_that_they_stand_for(
    make_model: Callable[..., Path], bits: int | None
) -> None:
    folder = make_model(hidden=64, layers=1, bits=bits)
    found = described(folder)
    assert found.parameters == count_parameters(load_architecture(folder))
    assert found.quantization == (f"{bits}-bit" if bits else "fp32")


def test_layers_of_other_bits_are_counted_by_their_own_shapes(tmp_path: Path) -> None:
    config = llama_config(num_hidden_layers=2)
    tensors = llama_tensors(config, 4)
    wide = {name: t for name, t in llama_tensors(config, 6).items() if "down_proj" in name}
    folder = write_model(tmp_path / "it", num_hidden_layers=2)
    write_weights(folder / MODEL, tensors | wide)
    found = described(folder)
    assert found.quantization == "4- and 6-bit"
    assert (
        found.parameters == described(write_model(tmp_path / "4", num_hidden_layers=2)).parameters
    )


def test_plain_weights_are_called_by_their_type(tmp_path: Path) -> None:
    found = described(write_model(tmp_path / "it", bits=None, num_hidden_layers=2))
    assert found.quantization == "bf16"


@pytest.mark.parametrize(
    ("readme", "license"),
    [
        ("---\nlicense: mit\n---\n", "mit"),
        ("---\nbase_model: x\nlicense: other\nlicense_name: qwen-research\n---\n", "qwen-research"),
        ("---\nlicense: [apache-2.0, mit]\n---\n", "apache-2.0"),
        ('---\nlicense: "llama3.2"  # a comment\n---\n', "llama3.2"),
        ("No front matter.\nlicense: none of it\n", "Apache License"),
        ("---\nlanguage: en\n---\nlicense: no\n", "Apache License"),
    ],
)
def test_the_license_is_that_of_the_model_card_or_of_the_license_file(
    model: Path, readme: str, license: str
) -> None:
    (model / "README.md").write_text(readme)
    (model / "LICENSE").write_text("\n   Apache License\n  Version 2.0\n")
    assert described(model).license == license


def remove_config(model: Path) -> None:
    (model / "config.json").unlink()


def cut_off(model: Path) -> None:
    with (model / MODEL).open("r+b") as file:
        file.truncate(1_000_000)


def pickles_only(model: Path) -> None:
    (model / MODEL).rename(model / "pytorch_model.bin")
    (model / "model.safetensors.index.json").unlink()


def gguf_only(model: Path) -> None:
    pickles_only(model)
    (model / "pytorch_model.bin").rename(model / "it.Q4_K_M.gguf")


def adapter_only(model: Path) -> None:
    pickles_only(model)
    (model / "pytorch_model.bin").rename(model / "adapters.safetensors")


def one_part_missing(model: Path) -> None:
    write_model(model, num_hidden_layers=2, shards=3)
    (model / MODEL).unlink()
    (model / "model-00002-of-00003.safetensors").unlink()


def dead_link(model: Path) -> None:
    (model / MODEL).unlink()
    (model / MODEL).symlink_to("../../blobs/gone")


def all_weights_missing(model: Path) -> None:
    (model / MODEL).unlink()


def another_architecture(model: Path) -> None:
    edit_json(model / "config.json", model_type="whisper")


def code_of_its_own(model: Path) -> None:
    edit_json(model / "config.json", model_type="novel", auto_map={"AutoConfig": "code.Config"})


def code_for_mlx_lm(model: Path) -> None:
    edit_json(model / "config.json", model_file="evil.py")


def too_many_layers(model: Path) -> None:
    edit_json(model / "config.json", num_hidden_layers=10**8)


def no_tokenizer(model: Path) -> None:
    (model / "tokenizer.json").unlink()


def no_model_type(model: Path) -> None:
    (model / "config.json").write_text("{}")


def no_json(model: Path) -> None:
    (model / "config.json").write_text("{,")


def endless_config(model: Path) -> None:
    (model / "config.json").write_bytes(b" " * (2**24 + 1))


def config_is_a_device(model: Path) -> None:
    (model / "config.json").unlink()
    (model / "config.json").symlink_to("/dev/zero")


def weights_are_empty(model: Path) -> None:
    (model / MODEL).write_bytes(b"")


def header_of_nothing(model: Path) -> None:
    (model / MODEL).write_bytes((2).to_bytes(8, "little") + b"[]")


def giant_header(model: Path) -> None:
    (model / MODEL).write_bytes((2**62).to_bytes(8, "little") + b"{}")


def deep_header(model: Path) -> None:
    deep = b'{"x": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"
    (model / MODEL).write_bytes(len(deep).to_bytes(8, "little") + deep)


def contradictory_header(model: Path) -> None:
    text = b'{"x": {"dtype": "F32", "shape": [4], "data_offsets": [0, 4]}}'
    (model / MODEL).write_bytes(len(text).to_bytes(8, "little") + text + b"0" * 4)


DAMAGES: list[tuple[Callable[[Path], None], str]] = [
    (remove_config, "org/it isn't a model folder: it has no config.json."),
    (cut_off, r"org/it/model.safetensors is incomplete: it has 1,000,000 of [\d,]+ bytes."),
    (
        pickles_only,
        r"org/it has only pickled weights \(pytorch_model.bin\), which can run",
    ),
    (gguf_only, "org/it contains a GGUF model, which MLX can't train."),
    (adapter_only, "org/it contains an adapter, not a base model."),
    (one_part_missing, "isn't complete: model-00002-of-00003.safetensors is missing."),
    (dead_link, "The download of org/it isn't complete: model.safetensors is missing."),
    (all_weights_missing, "The download of org/it isn't complete: model.safetensors is missing."),
    (another_architecture, "org/it has the architecture 'whisper', which mlx-lm does not know."),
    (code_of_its_own, "The model in org/it needs Python code from the model folder; Nestling"),
    (code_for_mlx_lm, "The model in org/it needs Python code from the model folder; Nestling"),
    (too_many_layers, "org/it/config.json names 100,000,000 layers"),
    (no_tokenizer, r"org/it has no tokenizer \(tokenizer.json\)."),
    (no_model_type, "org/it/config.json names no model_type"),
    (no_json, "org/it/config.json can't be read as JSON"),
    (endless_config, "org/it/config.json can't be read: it is larger than"),
    (config_is_a_device, "org/it isn't a model folder: it has no config.json."),
    (weights_are_empty, "org/it/model.safetensors is damaged: it is empty or incomplete."),
    (header_of_nothing, "org/it/model.safetensors is damaged: its header is not a JSON object."),
    (giant_header, "org/it/model.safetensors is damaged: its header claims to have 4,611,686,018"),
    (deep_header, "org/it/model.safetensors is damaged: it is nested too deeply."),
    (contradictory_header, "org/it/model.safetensors is damaged: its header contradicts itself."),
]


@pytest.mark.parametrize(
    ("damage", "reason"), DAMAGES, ids=[damage.__name__ for damage, _ in DAMAGES]
)
def test_a_model_that_can_t_be_trained_says_why(
    model: Path, damage: Callable[[Path], None], reason: str
) -> None:
    damage(model)
    found = described(model)
    assert re.search(reason, found.problem), found.problem
    assert "\n" not in found.problem
    assert len(found.problem) < 400
    assert found.verdict(2**60) == ""


@pytest.mark.parametrize("damage", [cut_off, one_part_missing, pickles_only, contradictory_header])
def test_loading_refuses_what_the_list_refuses_in_the_same_words(
    model: Path, damage: Callable[[Path], None]
) -> None:
    damage(model)
    with pytest.raises(InputError) as refusal:
        load_architecture(model)
    assert refusal.value.message.replace(str(model), "org/it") == described(model).problem


@pytest.mark.parametrize(
    ("damage", "hint", "hub_hint"),
    [
        (
            all_weights_missing,
            "Download the model again; files that already exist are not downloaded twice.",
            "Run hf download org/it to complete it.",
        ),
        (
            cut_off,
            "Remove this file, and download the model again.",
            "Run hf download org/it --force-download.",
        ),
        (no_tokenizer, *["Download the model again, with all of its files."] * 2),
    ],
)
def test_the_hint_fits_the_model_s_source(
    model: Path, damage: Callable[[Path], None], hint: str, hub_hint: str
) -> None:
    damage(model)
    found = ModelLocation(model, "org/it", "Hugging Face")
    assert described(model).hint == hint
    assert describe(found, read_folder_files(model)).hint == hub_hint


def test_a_model_that_can_t_be_trained_is_described_as_far_as_possible(
    model: Path,
) -> None:
    no_tokenizer(model)
    found = described(model)
    assert (found.architecture, found.quantization) == ("llama", "4-bit")
    assert found.parameters


def test_an_index_from_before_a_conversion_is_no_missing_download(model: Path) -> None:
    """mlx-lm reads none."""
    index = model / "model.safetensors.index.json"
    names = dict.fromkeys(json.loads(index.read_text())["weight_map"], "model-1-of-9.safetensors")
    index.write_text(json.dumps({"weight_map": names}))
    assert described(model).problem == ""
    index.write_text(json.dumps({"weight_map": names | {"another": "model-1-of-9.safetensors"}}))
    assert "isn't complete: model-1-of-9.safetensors is missing." in described(model).problem


def test_code_that_mlx_lm_does_not_need_is_no_reason_against_a_model(model: Path) -> None:
    (model / "modeling_it.py").write_text("raise SystemExit\n")
    edit_json(model / "config.json", auto_map={"AutoModelForCausalLM": "modeling_it.It"})
    found = described(model)
    assert found.problem == ""
    assert found.note == "Contains its own Python code, which Nestling doesn't run."


def test_a_model_in_the_hugging_face_cache_is_read_through_its_links(
    model: Path, tmp_path: Path
) -> None:
    snapshot = add_to_hub_cache(tmp_path / "hub", "org/it", model)
    assert described(snapshot).problem == ""
    assert described(snapshot).parameters == described(model).parameters
    assert described(snapshot).size_bytes == described(model).size_bytes


def test_the_list_survives_any_bytes_in_a_header(model: Path) -> None:
    draw = random.Random(7)
    whole = (model / MODEL).read_bytes()[:9000]
    for _ in range(150):
        bytes_ = bytearray(whole)
        for _ in range(draw.randint(1, 8)):
            bytes_[draw.randrange(len(bytes_))] = draw.randrange(256)
        (model / MODEL).write_bytes(bytes_)
        assert described(model).problem


def test_a_list_of_quantization_settings_decides_nothing(model: Path) -> None:
    for odd in ([], "4", {"bits": "x", "group_size": -1}, {"bits": True, "mode": 3}):
        edit_json(model / "config.json", quantization=odd, quantization_config=odd)
        assert described(model).quantization == "4-bit"


def test_the_settings_that_are_usual_count_as_they_are(model: Path) -> None:
    assert json.loads((model / "config.json").read_text())["quantization"] == QUANTIZED
