"""JSON and TOML from anywhere: every error is one sentence."""

from pathlib import Path

import pytest

from app.core.config.serialization import load_toml
from app.core.config.training_config import MixedDataset, TrainingConfig
from app.core.errors import InputError
from app.core.files.paths import HOME_VARIABLE, expanded, home_dir
from app.core.files.strict_parsing import MAX_DEPTH, parse_json, parse_toml

DIGITS = "9" * 5000
DEEP = 100_000


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[" * DEEP + "]" * DEEP, "nested too deeply"),
        ('{"a":' * DEEP + "1" + "}" * DEEP, "nested too deeply"),
        ("[" * (MAX_DEPTH + 1) + "]" * (MAX_DEPTH + 1), "nested too deeply"),
        (f'{{"steps": {DIGITS}}}', "a number that is too long"),
        ("", r"^a value is missing or not quoted \(line 1, column 1\)$"),
        ("{", r"^a key in double quotes is missing \(line 1, column 2\)$"),
        ('{"a": 1}\n{}', r"^something follows its end \(line 2, column 1\)$"),
    ],
)
def test_json_that_can_t_be_read_says_why(text: str, words: str) -> None:
    for content in (text, text.encode()):
        with pytest.raises(ValueError, match=words):
            parse_json(content)


def test_json_that_is_no_text_says_so() -> None:
    with pytest.raises(ValueError, match=r"^it is not UTF-8$"):
        parse_json(b'{"name": "\xff"}')


def test_brackets_in_texts_are_not_deep() -> None:
    assert parse_json('["' + "[" * 1000 + '"]') == ["[" * 1000]
    assert parse_json("[" * MAX_DEPTH + "]" * MAX_DEPTH)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("steps = " + "[" * DEEP + "]" * DEEP, "nested too deeply"),
        (".".join(["steps"] * 5000) + " = 1", "nested too deeply"),
        (f"steps = {DIGITS}", "a number that is too long"),
        (f"steps = 0x{DIGITS}", "a number of 6021 digits"),
        ('data = "a\\u0000b"', "can.t be a path: it contains a NUL character"),
        ('mix = ["a\\u0000b=0.5"]', "can.t be a path: it contains a NUL character"),
    ],
)
def test_a_settings_file_that_can_t_be_meant_is_named(
    text: str, words: str, tmp_path: Path
) -> None:
    path = tmp_path / "odd.toml"
    path.write_text(text)
    with pytest.raises(InputError, match=words) as refused:
        load_toml(path).checked()
    assert "Exceeds" not in str(refused.value)


def test_toml_is_read_as_ever() -> None:
    assert parse_toml("steps = 3\ntiers = [{period = 1}]") == {"steps": 3, "tiers": [{"period": 1}]}


def test_an_unknown_user_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    nobody = Path("~nobody-of-that-name/data.jsonl")
    config = TrainingConfig(data=nobody, mix=(MixedDataset(nobody, 0.5),))
    monkeypatch.setenv(HOME_VARIABLE, str(nobody))
    for ask in (lambda: expanded(nobody), config.located, home_dir):
        with pytest.raises(InputError, match="this computer has no user 'nobody-of-that-name'"):
            ask()
    assert expanded(Path("~/data")) == Path.home() / "data"
