"""The library in the terminal: listed, shown, resumed by name, repeated from a file."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from app.core.events import EvaluationFinished, ScoreMeasured, WrongAnswer
from app.core.files.paths import runs_dir
from app.library.run.label import RunLabel, write_label
from app.library.run.metrics import MetricsWriter, read_steps
from tests.cli.in_process import nestling
from tests.patience import PATIENCE_SECONDS

MakeRun = Callable[..., Path]
HIDDEN = ("DISPLAY", "WAYLAND_DISPLAY")


def process(*arguments: object) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if name not in HIDDEN}
    return subprocess.run(
        [sys.executable, "-m", "app", *map(str, arguments)], capture_output=True, text=True,
        timeout=PATIENCE_SECONDS, env=environment,
    )  # fmt: skip


def test_runs_are_listed_for_people_and_for_programs(make_run: MakeRun) -> None:
    make_run(runs_dir() / "2026-01-01-a")
    write_label(runs_dir() / "2026-01-01-a", RunLabel("Kittens", "good"))
    make_run(runs_dir() / "2026-01-02-b", outcome=None, saves=(4,))
    (runs_dir() / "2026-01-03-c").mkdir()
    result = process("runs")
    assert result.returncode == 0, result.stderr
    assert "Kittens" in result.stdout
    assert "interrupted" in result.stdout
    assert "has no run.json" in result.stdout
    rows = [json.loads(line) for line in nestling("runs", "--json").stdout.splitlines()]
    assert [row["outcome"] for row in rows] == ["unreadable", "interrupted", "finished"]
    assert (rows[2]["name"], rows[2]["notes"], rows[2]["periods"]) == ("Kittens", "good", [1, 2])
    assert rows[1]["may_go_on"] is True


def test_a_name_is_shown_without_unprintable_characters(make_run: MakeRun) -> None:
    run_dir = make_run(runs_dir() / "2026-01-01-a")
    write_label(run_dir, RunLabel("odd"))
    label = run_dir / "label.json"
    label.write_text(label.read_text().replace("odd", "odd \\ud800"))
    for arguments in (("runs",), ("show", run_dir)):
        result = nestling(*arguments)
        assert result.returncode == 0, result.stderr
        assert "odd" in result.stdout
        assert "The run's name holds characters that can't be shown." in result.stdout
    assert json.loads(nestling("runs", "--json").stdout)["name"] == "odd \ud800"


def test_each_run_is_one_line_for_another_program(make_run: MakeRun) -> None:
    folder = "2026-01-01-120000-" + "a-long-name-" * 5
    make_run(runs_dir() / folder, name="a name of several words " * 4)
    lines = nestling("runs").stdout.splitlines()
    assert len(lines) == 2
    assert lines[1].endswith(folder)


def test_an_empty_library_says_where_it_is() -> None:
    assert f"No runs yet in {runs_dir()}" in nestling("runs").stdout


def test_a_run_is_shown_with_its_checkpoints(make_run: MakeRun) -> None:
    run = make_run(runs_dir() / "2026-01-01-a", saves=(4, 8))
    for named in ("2026-01-01-a", "cats", run):
        result = nestling("show", named)
        assert result.returncode == 0, result.stderr
        assert "step-000004  validation loss 1.0000  best" in result.stdout
    shown = json.loads(process("show", "cats", "--json").stdout)
    assert [(c["step"], c["is_best"]) for c in shown["checkpoints"]] == [(4, True), (8, False)]
    assert shown["recorded_steps"] == 8
    assert shown["config"]["steps"] == 8


def test_a_run_that_never_came_below_its_base_model_says_so(make_run: MakeRun) -> None:
    run = make_run(runs_dir() / "2026-01-01-a", saves=(4, 8))
    assert "base model's" not in nestling("show", run).stdout
    MetricsWriter(run).append(EvaluationFinished(0, 0.000124, is_best=True))
    assert (
        "No checkpoint has a lower loss than the base model (0.000124)."
        in nestling("show", run).stdout
    )


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["show", "dogs"], "There is no run named 'dogs'"),
        (["resume", "dogs"], "There is no run named 'dogs'"),
        (["show", "cats"], "2 runs are named 'cats'. Name a folder: b, a."),
        (["show", "a", "--json", "--toml"], "not allowed with argument"),
        (["show", "broken", "--toml"], "can't be read"),
    ],
)
def test_an_unusable_run_argument_is_refused_in_a_sentence(
    make_run: MakeRun, arguments: list[str], words: str
) -> None:
    for name in ("a", "b", "broken"):
        make_run(runs_dir() / name)
    (runs_dir() / "broken" / "run.json").write_text("{")
    ended = nestling(*arguments)
    assert ended.returncode == 2
    assert words in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_stopped_run_is_resumed_by_name(tiny_model: Path, chat_file: Path) -> None:
    settings = ["--steps", "6", "--rank", "2", "--name", "sums", "--json"]
    started = nestling("train", "--model", tiny_model, "--data", chat_file, *settings,
                       "--stop-after", "3")  # fmt: skip
    assert started.returncode == 0, started.stderr
    ended = process("resume", "sums", "--json")
    assert ended.returncode == 0, ended.stderr
    (run,) = runs_dir().iterdir()
    assert list(read_steps(run).steps) == [1, 2, 3, 4, 5, 6]


def test_a_run_repeated_from_its_settings_has_the_same_losses(
    tiny_model: Path, chat_file: Path, tmp_path: Path
) -> None:
    settings = ["--steps", "6", "--rank", "4", "--tiers", "1,2", "--tier-factors", "1,0.3",
                "--assign", "rank", "--dropout", "0.1", "--learning-rate", "0.003"]  # fmt: skip
    first = nestling("train", "--model", tiny_model, "--data", chat_file, *settings, "--output",
                     tmp_path / "first", "--json")  # fmt: skip
    assert first.returncode == 0, first.stderr
    result = nestling("show", tmp_path / "first", "--toml")
    assert result.returncode == 0, result.stderr
    (tmp_path / "again.toml").write_text(result.stdout)
    again = nestling("train", "--config", tmp_path / "again.toml", "--output", tmp_path / "again")
    assert again.returncode == 0, again.stderr
    one, other = (read_steps(tmp_path / name).rows for name in ("first", "again"))
    assert len(one) == 6
    for column in ("loss", "deltas", "drifts", "gradient_norm"):
        assert one[column].tolist() == other[column].tolist()


def test_forgotten_questions_are_shown_for_people_and_for_programs(make_run: MakeRun) -> None:
    lost = WrongAnswer("Which tool does a gardener use?", "A spade.", "A hammer.")
    scores = [ScoreMeasured("old", when, 3 - len(wrong), 3, wrong)
              for when, wrong in (("before", ()), ("after", (lost,)))]  # fmt: skip
    run_dir = make_run(runs_dir() / "a", scores=scores)
    shown = nestling("show", run_dir).stdout
    line = f"Forgotten (Old): {lost.question} | expected: {lost.expected} | answer: {lost.answer}"
    assert f"  {line}\n" in shown
    assert json.loads(nestling("show", run_dir, "--json").stdout)["scores"][1]["wrong"] == [
        {"question": lost.question, "expected": lost.expected, "answer": lost.answer}
    ]
