"""Which files of a base model decide its numbers, and that none of them changes unseen."""

import hashlib
import json
import os
from pathlib import Path

import pytest

from app.core.base_model import (
    BaseModelDigests,
    compare_digests,
    describe_check,
    describe_digests,
    read_digests,
)
from app.core.errors import InputError
from app.core.progress import drain
from app.data.files import fingerprint, model_files
from app.data.files.model_files import (
    ModelFiles,
    check_base_model,
    digests_to_compare,
    hash_weights,
    read_model_files,
)
from tests.other_base_models import change_one_weight, copied_model


@pytest.fixture
def model(tiny_model: Path, tmp_path: Path) -> Path:
    return copied_model(tiny_model, tmp_path / "base")


def read(model: Path) -> BaseModelDigests:
    return read_model_files(model).digests


def whole(model: Path) -> BaseModelDigests:
    return digests_to_compare(read_model_files(model))


def rewrite(path: Path, **changes: object) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_the_whole_weights_have_the_file_s_own_sha256(model: Path) -> None:
    (file,) = whole(model).weights.values()
    content = (model / "model.safetensors").read_bytes()
    assert file.size_bytes == len(content)
    assert file.sha256 == hashlib.sha256(content).hexdigest()


@pytest.mark.parametrize("name", ["config.json", "tokenizer_config.json"])
def test_another_layout_of_the_same_json_is_no_change(model: Path, name: str) -> None:
    before = read(model)
    path = model / name
    values = json.loads(path.read_text())
    path.write_text(json.dumps(dict(reversed(values.items())), indent=7))
    assert read(model) == before


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("tokenizer.json", "tokenizer"),
        ("tokenizer_config.json", "tokenizer"),
        ("special_tokens_map.json", "tokenizer"),
        ("added_tokens.json", "tokenizer"),
        ("vocab.json", "tokenizer"),
        ("merges.txt", "tokenizer"),
        ("tokenizer.model", "tokenizer"),
        ("chat_template.jinja", "template"),
        ("config.json", "config"),
        ("model.safetensors", "weights"),
        ("model-00002-of-00002.safetensors", "weights"),
    ],
)
def test_a_file_that_decides_numbers_is_named_with_its_part(
    model: Path, name: str, part: str
) -> None:
    before = read(model)
    (model / name).write_text('{"other": "content"}')
    check = compare_digests(model, before, read(model))
    assert (check.state, check.changed, check.files) == ("changed", (part,), (name,))


def test_a_template_in_the_tokenizer_s_configuration_is_the_template(model: Path) -> None:
    rewrite(model / "tokenizer_config.json", chat_template="{{ messages }}")
    before = read(model)
    rewrite(model / "tokenizer_config.json", chat_template="{{ messages }}!")
    check = compare_digests(model, before, read(model))
    assert check.message == (
        f"The chat template of the base model in {model} is not the one this run was trained with."
    )


@pytest.mark.parametrize("name", ["README.md", "model.safetensors.index.json", "other.safetensors"])
def test_a_file_that_decides_nothing_is_no_change(model: Path, name: str) -> None:
    before = read(model)
    (model / name).write_text("{}")
    assert read(model) == before


def test_of_the_generation_settings_only_the_end_tokens_count(model: Path) -> None:
    settings = model / "generation_config.json"
    settings.write_text('{"temperature": 0.5}')
    before = read(model)
    settings.write_text('{"temperature": 0.7}')
    assert read(model) == before
    settings.write_text('{"temperature": 0.7, "eos_token_id": [1, 2]}')
    assert compare_digests(model, before, read(model)).files == ("generation_config.json",)


@pytest.mark.parametrize("content", [b"", b"\xff" * 40, b"[" * 100_000, b'{"a": 1', b"7"])
def test_a_json_file_that_can_t_be_read_is_digested_as_bytes(model: Path, content: bytes) -> None:
    (model / "config.json").write_bytes(content)
    assert read(model).config == {"config.json": hashlib.sha256(content).hexdigest()}


@pytest.mark.parametrize(
    "content",
    [b"", b"\xff" * 8, b"\x10" + b"\x00" * 7, b"\x02" + b"\x00" * 7 + b"{}", b"\xff" * 99],
)
def test_weights_in_other_formats_are_digested_too(model: Path, content: bytes) -> None:
    (model / "model.safetensors").write_bytes(content)
    before = whole(model)
    assert compare_digests(model, before, whole(model)).state == "same"


def header_of(tensors: dict[str, int]) -> tuple[bytes, dict[str, int]]:
    """A safetensors header, and where each tensor's bytes begin in the file."""
    entries, starts, at = {}, {}, 0
    for name, size in tensors.items():
        entries[name] = {"dtype": "U8", "shape": [size], "data_offsets": [at, at + size]}
        starts[name], at = at, at + size
    text = json.dumps(entries).encode()
    head = len(text).to_bytes(8, "little") + text
    return head, {name: len(head) + start for name, start in starts.items()}


def test_every_tensor_is_sampled_at_its_beginning_middle_and_end(model: Path) -> None:
    sizes = {"a": 1_000_000, "b": 3, "c": 500_000}
    head, starts = header_of(sizes)
    path = model / "model.safetensors"
    path.write_bytes(head + bytes(sum(sizes.values())))
    before = read(model)
    for name, size in sizes.items():
        for offset in (0, size // 2, size - 1):
            with path.open("r+b") as file:
                file.seek(starts[name] + offset)
                file.write(b"\x01")
            assert read(model) != before, (name, offset)
            with path.open("r+b") as file:
                file.seek(starts[name] + offset)
                file.write(b"\x00")
    assert read(model) == before


def remember_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small files are remembered too, and none is too new for it."""
    monkeypatch.setattr(fingerprint, "_SMALL_BYTES", -1)
    monkeypatch.setattr(fingerprint, "_CLOCK_NS", -(10**12))


def test_weights_hashed_once_are_known_at_once(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    remember_at_once(monkeypatch)
    assert not read(model).is_whole
    first = whole(model)
    assert read(model) == first
    assert read(model).is_whole


def test_one_weight_changed_with_the_file_s_time_kept_is_seen(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    remember_at_once(monkeypatch)
    before = whole(model)
    change_one_weight(model)
    assert compare_digests(model, before, whole(model)).changed == ("weights",)


def test_one_weight_in_no_sampled_block_is_seen_once_the_weights_are_hashed_whole(
    model: Path,
) -> None:
    head, starts = header_of({"a": 1_000_000})
    path = model / "model.safetensors"
    path.write_bytes(head + bytes(1_000_000))
    sampled, before = read(model), whole(model)
    with path.open("r+b") as file:
        file.seek(starts["a"] + 250_000)
        file.write(b"\x01")
    assert compare_digests(model, before, read(model)).state == "sampled"
    assert read(model).sampled() == sampled
    assert compare_digests(model, before, whole(model)).changed == ("weights",)


def test_large_weights_are_compared_whole_on_request(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifest = {"base_model": whole(model).data()}
    monkeypatch.setattr(model_files, "HASHED_FIRST_BYTES", 0)
    check = check_base_model(str(model), manifest)
    assert check.state == "sampled"
    assert "sampled blocks of every tensor" in describe_check(check)
    assert check_base_model(str(model), manifest, also_large=True).state == "same"


@pytest.mark.parametrize("how", ["written", "replaced", "removed"])
def test_weights_that_change_while_they_are_hashed_have_no_digest(
    model: Path, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    files: ModelFiles = read_model_files(model)
    path = model / "model.safetensors"
    hashed = fingerprint._hashed

    def disturbed(file, state):  # type: ignore[no-untyped-def]
        content = yield from hashed(file, state)
        if how == "removed":
            path.unlink()
        else:
            target = path if how == "written" else model / "aside"
            target.write_bytes(b"other")
            target.replace(path)
        return content

    monkeypatch.setattr(fingerprint, "_hashed", disturbed)
    with pytest.raises(InputError, match=r"^model\.safetensors changed while it was read\."):
        drain(hash_weights(files))


def test_the_stored_digests_are_read_back_and_shown(model: Path) -> None:
    digests = whole(model)
    manifest = json.loads(json.dumps({"base_model": digests.data()}))
    assert read_digests(manifest) == digests
    assert check_base_model(str(model), manifest).state == "same"
    assert "byte for byte" in describe_check(check_base_model(str(model), manifest))
    words = dict(describe_digests(digests))
    sha256 = hashlib.sha256((model / "model.safetensors").read_bytes()).hexdigest()
    (weights,) = words["weights"]
    assert weights.startswith("model.safetensors · ")
    assert weights.endswith(f" · SHA-256 {sha256[:16]}…")
    assert "SHA-256 of sampled blocks " in dict(describe_digests(digests.sampled()))["weights"][0]
    assert check_base_model(str(model), {}).state == "unknown"
    assert check_base_model(str(model / "no"), manifest).state == "missing"
    for nonsense in (None, "", 7, "\0", str(model / "config.json")):
        assert check_base_model(nonsense, manifest).state == "missing"


@pytest.mark.parametrize("entry", [7, {}, {"weights": []}, {"weights": {"a": 1}}, "x", []])
def test_edited_digests_are_reported(model: Path, entry: object) -> None:
    with pytest.raises(InputError, match="were edited"):
        read_digests({"base_model": entry})
    assert "were edited" in check_base_model(str(model), {"base_model": entry}).message


def test_a_size_that_no_file_has_is_not_shown(model: Path) -> None:
    entry = whole(model).data()
    entry["weights"]["model.safetensors"]["size_bytes"] = 10**400
    with pytest.raises(InputError, match="were edited"):
        read_digests({"base_model": entry})


def test_a_name_that_is_not_utf_8_can_be_stored(model: Path) -> None:
    (model / os.fsdecode(b"model-\xff.safetensors")).write_bytes(b"")
    json.dumps(read(model).data(), ensure_ascii=False).encode()
