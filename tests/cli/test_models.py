"""Base models in the terminal: for people, for programs, and where there are none."""

import json
from pathlib import Path

import pytest

from app.cli.commands import run
from app.models.model_formatting import context_text, memory_text, parameters_text
from app.models.recommended import RECOMMENDED, missing, recommended
from app.models.training_memory import TrainingMemory
from tests.models.made_models import write_model
from tests.models.user_home import make_user_home


@pytest.fixture
def user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return make_user_home(tmp_path, monkeypatch)


def nestling(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert run(("models", *arguments), lambda _: 1) == 0
    return capsys.readouterr().out


def test_models_are_listed_for_people_and_for_programs(
    user: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = user / ".lmstudio" / "models" / "org"
    write_model(place / "whole", num_hidden_layers=1)
    write_model(place / "broken", num_hidden_layers=1)
    (place / "broken" / "tokenizer.json").unlink()
    output = nestling(capsys)
    assert [line.split() for line in output.splitlines()[1:3]] == [
        ["org/whole", "323", "M", "4-bit", "0.18", "128K", "apache-2.0", "Fits", "LM", "Studio"],
        ["org/broken", "323", "M", "4-bit", "0.18", "128K", "apache-2.0", "Can't", "be", "used",
         "LM", "Studio"],
    ]  # fmt: skip
    assert "\norg/broken has no tokenizer (tokenizer.json). Download" in output
    rows = [json.loads(line) for line in nestling(capsys, "--json").splitlines()]
    assert [(row["name"], row["verdict"]) for row in rows] == [
        ("org/whole", "fits"), ("org/broken", None),
    ]  # fmt: skip
    assert rows[0]["folder"] == str(place / "whole")
    assert rows[0]["memory"]["usual_bytes"] > rows[0]["memory"]["smallest_bytes"]


def test_a_name_that_would_command_the_terminal_is_shown_harmless(
    user: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_model(user / ".lmstudio" / "models" / "org" / "a\x1b[2Jb", num_hidden_layers=1)
    assert "\x1b" not in nestling(capsys)


def test_without_models_the_list_says_what_to_type(
    user: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.cli.models.training_bytes", lambda: 8 * 10**9)
    output = nestling(capsys)
    assert output.startswith("No models found.")
    assert "hf download mlx-community/Llama-3.2-1B-Instruct-4bit" in output
    rows = [json.loads(line) for line in nestling(capsys, "--recommended", "--json").splitlines()]
    assert {row["verdict"] for row in rows} == {"fits", "tight"}
    assert nestling(capsys, "--json") == ""


def test_the_recommendation_depends_on_the_available_memory() -> None:
    assert recommended(10**8) == ()
    assert [verdict for _, verdict in recommended(10**12)] == ["fits"] * len(RECOMMENDED)
    small = recommended(4 * 10**9)
    assert [model.repository for model, _ in small] == [m.repository for m in RECOMMENDED[:6]]
    assert missing(small, {model.repository for model, _ in small[1:]}) == small[:1]


def test_the_list_is_ordered_by_training_memory() -> None:
    needs = [(model.memory.smallest_bytes, model.memory.usual_bytes) for model in RECOMMENDED]
    assert needs == sorted(needs)


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (None, "–"), (900, "900"), (135_000_000, "135 M"), (999_999_999, "1.00 B"),
        (1_235_814_400, "1.24 B"), (9_994_000_000, "9.99 B"), (30_532_122_624, "30.5 B"),
        (671_000_000_000, "671 B"), (1_200_000, "1.20 M"), (12_300_000, "12 M"),
    ],
)  # fmt: skip
def test_parameters_have_three_digits(count: int | None, text: str) -> None:
    assert parameters_text(count) == text


def test_a_context_of_whole_thousands_is_shown_in_k() -> None:
    assert [context_text(n) for n in (None, 512, 2048, 131072, 10_000)] == [
        "–", "512", "2K", "128K", "10,000",
    ]  # fmt: skip


def test_a_verdict_states_its_figures() -> None:
    memory = TrainingMemory(smallest_bytes=2 * 10**9, usual_bytes=9 * 10**9)
    assert memory_text(memory, 10**10) == (
        "Fits. 4 examples of 512 tokens at a time need about 9.0 GB; 10 GB is available."
    )
    assert memory_text(memory, 3 * 10**9) == (
        "Tight. One example of 512 tokens at a time with gradient checkpointing needs about "
        "2.0 GB, 4 examples about 9.0 GB; 3.0 GB is available."
    )
    assert memory_text(memory, 10**9) == (
        "Won't fit. Even one example of 512 tokens at a time with gradient checkpointing needs "
        "about 2.0 GB; only 1.0 GB is available."
    )
