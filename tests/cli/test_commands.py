"""`nestling …` as a user types it: its output and its exit codes; real processes for what is a fact
about them."""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from app.cli.arguments import parse, training_config
from app.cli.commands import run
from app.cli.event_output import TerminalProgress
from app.core.config.learning_methods import (
    BY_TIERS,
    CUSTOM,
    JUST_LEARN,
    LEARN_AND_KEEP,
    LearningMethod,
    learning_method,
)
from app.core.config.training_config import TrainingConfig
from app.core.events import CheckpointSaved, Event, RunFinished
from app.library.run.manifest import read_manifest
from tests.cli.in_process import SIGNALS, nestling
from tests.patience import PATIENCE_SECONDS

QUICK = ["--steps", "6", "--rank", "4", "--learning-rate", "0.01"]


def process(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "app", *map(str, arguments)],
        capture_output=True, text=True, timeout=PATIENCE_SECONDS, env=environment(),
    )  # fmt: skip


def environment() -> dict[str, str]:
    hidden = ("DISPLAY", "WAYLAND_DISPLAY")
    return {name: value for name, value in os.environ.items() if name not in hidden}


def lines(output: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in output.splitlines()]


def train_arguments(model: Path, data: Path, output: Path) -> Sequence[object]:
    return ["train", "--model", model, "--data", data, "--output", output, *QUICK]


def test_train_with_json_prints_one_object_a_line(
    tiny_model: Path, chat_file: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    ended = process(
        *train_arguments(tiny_model, chat_file, run), "--tiers", "1,2,4", "--assign", "depth",
        "--seed", "3", "--json",
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    events = lines(ended.stdout)
    by_name: dict[str, list[dict[str, Any]]] = {}
    for event in events:
        by_name.setdefault(event["event"], []).append(event)
    assert by_name["run_started"][0]["run_dir"] == str(run)
    steps = by_name["step_finished"]
    assert [step["fired"] for step in steps] == [[0], [0, 1], [0], [0, 1, 2], [0], [0, 1]]
    required = (
        "step loss learning_rate trained_tokens tokens_per_second peak_memory_bytes fired deltas "
        "pending"
    )
    for step in steps:
        assert set(required.split()) <= set(step)
        assert len(step["deltas"]) == len(step["pending"]) == 3
    assert {"step", "val_loss"} <= set(by_name["evaluation_finished"][0])
    assert by_name["checkpoint_saved"]
    end = events[-1]
    assert end["event"] == "run_finished"
    assert (end["outcome"], end["run_dir"], end["steps"]) == ("finished", str(run), 6)
    assert Path(end["adapter_dir"], "adapters.safetensors").is_file()


def test_plans_presets_and_adapters_are_chosen_by_flags(
    tiny_model: Path, chat_file: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    ended = nestling(
        *train_arguments(tiny_model, chat_file, run), "--preset", "fast-and-slow-slices",
        "--tiers", "1,2,4", "--tier-pending", "accumulate,skip,accumulate", "--tier-factors",
        "1,1,0.5", "--fine-tune-type", "dora", "--keys", "q_proj,up_proj", "--json",
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    steps = [event for event in lines(ended.stdout) if event["event"] == "step_finished"]
    assert [step["pending"] for step in steps[:3]] == [[0, 0, 1], [0, 0, 2], [0, 0, 3]]
    config = read_manifest(run)["config"]
    assert (config["assign"], config["fine_tune_type"]) == ("rank", "dora")
    assert config["tiers"][2] == {
        "period": 4, "learning_rate_factor": 0.5, "pending": "accumulate"
    }  # fmt: skip


def test_an_impossible_plan_is_refused_in_a_sentence(
    tiny_model: Path, chat_file: Path, tmp_path: Path
) -> None:
    start = train_arguments(tiny_model, chat_file, tmp_path / "run")
    for options, words in (
        (["--assign", "manual", "--tier-patterns", "mlp=7"], "names tier 7"),
        (["--assign", "manual", "--tier-patterns", "mlp=0,q_proj=1,k_proj=2"], "No tier pattern"),
        (["--assign", "rank", "--rank", "2"], "Rank 2 can't be cut into 3 tiers"),
        (["--keys", "q_prj"], "Its modules are q_proj, k_proj"),
    ):
        ended = nestling(*start, *options)
        assert ended.returncode == 2
        assert words in ended.stderr
        assert "Traceback" not in ended.stderr
        assert not (tmp_path / "run").exists()


def test_train_without_json_says_what_moved(
    tiny_model: Path, chat_file: Path, tmp_path: Path
) -> None:
    by_tiers = ("--tiers", "1,2,4", "--assign", "depth")
    ended = nestling(*train_arguments(tiny_model, chat_file, tmp_path / "run"), *by_tiers)
    assert ended.returncode == 0, ended.stderr
    assert "tier 0: every step, layers 2–3" in ended.stdout
    assert "tier 1 moved" in ended.stdout
    assert "Needs about" in ended.stdout  # of memory, reported before the steps
    assert ended.stdout.index("Needs about") < ended.stdout.index("step 1 of 6")
    assert "All 6 steps done." in ended.stdout
    assert "The adapter is in" in ended.stdout


def test_the_best_adapter_is_named_beside_the_last_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    best, last = tmp_path / "step-000004", tmp_path / "step-000008"
    best.mkdir()
    show = TerminalProgress()
    show(CheckpointSaved(4, best, 1, is_best=True))
    show(CheckpointSaved(8, last, 1))
    show(RunFinished("finished", tmp_path, last, 8, "Done."))
    output = capsys.readouterr().out
    assert f"The adapter is in {last}\n" in output
    assert f"The one with the lowest validation loss is in {best}\n" in output


def test_a_toml_file_is_the_configuration_and_flags_win(
    tiny_model: Path, chat_file: Path, tmp_path: Path
) -> None:
    settings = tmp_path / "run.toml"
    settings.write_text(
        f'model = "{tiny_model}"\ndata = "{chat_file}"\nsteps = 50\nrank = 2\n'
        "tiers = [{period = 1}, {period = 3, learning_rate_factor = 0.5}]\n"
    )
    ended = nestling(
        "train", "--config", settings, "--steps", "3", "--output", tmp_path / "run", "--json"
    )
    assert ended.returncode == 0, ended.stderr
    config = read_manifest(tmp_path / "run")["config"]
    assert (config["steps"], config["rank"]) == (3, 2)
    assert config["tiers"][1] == {"period": 3, "learning_rate_factor": 0.5}


def test_without_an_output_the_run_is_in_the_library(
    tiny_model: Path, chat_file: Path, own_home: Path
) -> None:
    ended = nestling("train", "--model", tiny_model, "--data", chat_file, *QUICK, "--json")
    run_dir = Path(lines(ended.stdout)[-1]["run_dir"])
    assert run_dir.parent == own_home / "runs"
    assert run_dir.name.endswith("-chats")


BAD = {
    "no data": (["train"], "No dataset is given"),
    "a missing dataset": (["train", "--data", "nope.jsonl"], "nope.jsonl isn't there"),
    "no number": (["train", "--steps", "many"], "--steps: invalid int value: 'many'"),
    "an unknown flag": (["train", "--stepps", "1"], "--stepps"),
    "an unknown command": (["trian"], "invalid choice: 'trian'"),
    "an unknown assignment": (["train", "--assign", "luck"], "invalid choice: 'luck'"),
    "tiers that are no numbers": (["train", "--data", "x", "--tiers", "a,b"], "like 1,2,4"),
    "tiers out of order": (["train", "--data", "x", "--tiers", "4,2"], "shortest first"),
    "a period of zero": (["train", "--data", "x", "--tiers", "0,2"], "must be 1 to 1,000,000"),
    "too few factors": (
        ["train", "--data", "x", "--tiers", "1,2", "--tier-factors", "1"],
        "2 tiers need 2 factors",
    ),
    "a rate of zero": (["train", "--data", "x", "--learning-rate", "0"], "greater than 0"),
    "a rate that is no number": (
        ["train", "--data", "x", "--learning-rate", "nan"],
        "must be a number",
    ),
    "a missing settings file": (["train", "--config", "no.toml"], "no.toml can't be read"),
    "no steps in the demo": (["demo", "--steps", "0"], "Steps must be at least 1"),
}


@pytest.mark.parametrize(("arguments", "sentence"), BAD.values(), ids=BAD)
def test_bad_arguments_end_with_2_and_one_sentence(
    arguments: list[str], sentence: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    ended = nestling(*arguments)
    assert ended.returncode == 2
    assert sentence in ended.stderr
    assert "Traceback" not in ended.stderr
    assert len(ended.stderr.strip().splitlines()) == 1
    assert list(tmp_path.iterdir()) == [tmp_path / "home"] or not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("steps = ", "is not valid TOML"),
        ("stepps = 3", "no setting named 'stepps'"),
        ('steps = "three"', "steps can't be 'three'"),
        ("steps = true", "steps can't be True"),
        ("tiers = 4", "tiers must be periods like [1, 2, 4]"),
        ('assign = "luck"', "assign must be one of depth, module"),
    ],
)
def test_a_bad_settings_file_is_refused(text: str, sentence: str, tmp_path: Path) -> None:
    path = tmp_path / "bad.toml"
    path.write_text(text)
    ended = nestling("train", "--config", path)
    assert ended.returncode == 2
    assert sentence in ended.stderr
    assert "bad.toml" in ended.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interrupt_ends_the_run_with_a_checkpoint(
    tiny_model: Path, chat_file: Path, tmp_path: Path, number: signal.Signals
) -> None:
    run = tmp_path / "run"
    command = train_arguments(tiny_model, chat_file, run)
    process = subprocess.Popen(
        [sys.executable, "-m", "app", *map(str, command), "--steps", "100000", "--json"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment(),
        # Under nohup, or in a shell's background, it would be ignored.
        preexec_fn=lambda: signal.signal(number, signal.SIG_DFL),
    )  # fmt: skip
    assert process.stdout is not None
    for line in process.stdout:
        if json.loads(line)["event"] == "step_finished":
            process.send_signal(number)
            break
    rest, errors = process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode == 130, errors
    end = lines(rest)[-1]
    assert (end["event"], end["outcome"]) == ("run_finished", "stopped")
    assert Path(end["adapter_dir"]).is_dir()
    assert "progress so far is kept" in errors


def with_template(model: Path, folder: Path, template: str) -> Path:
    shutil.copytree(model, folder)
    (folder / "chat_template.jinja").write_text(template, encoding="utf-8")
    return folder


def test_a_run_is_stopped_while_its_chat_template_never_ends(
    tiny_model: Path, chat_file: Path, tmp_path: Path
) -> None:
    loop = "{% for i in range(99999) %}"
    infinite = f"{loop}{loop}{{% endfor %}}{{% endfor %}}"
    model = with_template(tiny_model, tmp_path / "model", infinite)
    run = tmp_path / "run"
    process = subprocess.Popen(
        [sys.executable, "-m", "app", *map(str, train_arguments(model, chat_file, run)), "--json"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment(),
    )  # fmt: skip
    assert process.stdout is not None
    for line in process.stdout:
        if json.loads(line).get("stage") == "Trying the chat template":
            process.send_signal(signal.SIGINT)
            break
    rest, errors = process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode == 130, errors
    assert lines(rest)[-1]["message"] == "Stopped before the first step."
    assert errors == "Stopping before the first step.\n"
    assert not run.exists()


@pytest.mark.parametrize("command", ["train", "check"])
def test_a_chat_template_with_an_error_is_named_with_its_line(
    tiny_model: Path, chat_file: Path, tmp_path: Path, command: str
) -> None:
    model = with_template(tiny_model, tmp_path / "model", "Hello\n{% for m in messages %}")
    arguments = {
        "train": train_arguments(model, chat_file, tmp_path / "run"),
        "check": ["check", chat_file, "--model", model],
    }
    ended = nestling(*arguments[command])
    assert ended.returncode == 2
    assert "The model's chat template has an error in line 2: Unexpected end" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_reader_that_goes_away_costs_nothing_but_the_output(
    tiny_model: Path, chat_file: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    command = train_arguments(tiny_model, chat_file, run)
    process = subprocess.Popen(
        [sys.executable, "-m", "app", *map(str, command), "--steps", "100000", "--json"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment(),
    )  # fmt: skip
    assert process.stdout is not None
    for line in process.stdout:
        if json.loads(line)["event"] == "step_finished":
            break
    process.stdout.close()
    assert process.stderr is not None
    with process.stderr:
        errors = process.stderr.read()
    process.wait(timeout=PATIENCE_SECONDS)
    assert "Traceback" not in errors
    manifest = read_manifest(run)
    assert manifest["outcome"] == "stopped"
    assert (run / manifest["adapter"]).is_dir()


def test_the_terminal_never_imports_qt(tiny_model: Path, chat_file: Path, tmp_path: Path) -> None:
    code = (
        "import sys; from app.__main__ import main; code = main();"
        "assert not [m for m in sys.modules if 'PySide6' in m or 'pyqtgraph' in m]; sys.exit(code)"
    )
    command = train_arguments(tiny_model, chat_file, tmp_path / "run")
    subprocess.run(
        [sys.executable, "-c", code, *map(str, command)], check=True, timeout=PATIENCE_SECONDS,
        env=environment(), stdout=subprocess.DEVNULL,
    )  # fmt: skip


def test_help_loads_nothing_heavy() -> None:
    code = (
        "import sys; from app.cli.arguments import parse\n"
        "try: parse(['train', '--help'])\n"
        "except SystemExit: pass\n"
        "heavy = {'mlx', 'mlx_lm', 'transformers', 'numpy', 'PySide6', 'pyqtgraph', 'rich'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code],
        check=True,
        timeout=PATIENCE_SECONDS,
        capture_output=True,
        text=True,
    )
    assert "--tier-factors" in ended.stdout
    assert "--learning-rate" in ended.stdout


def test_a_run_stopped_after_a_step_is_resumed_to_its_end(
    tiny_model: Path, chat_file: Path, tmp_path: Path
) -> None:
    command = train_arguments(tiny_model, chat_file, tmp_path / "whole")
    whole = lines(nestling(*command, "--json").stdout)
    command = train_arguments(tiny_model, chat_file, tmp_path / "cut")
    first = nestling(*command, "--stop-after", "4", "--json")
    assert first.returncode == 0, first.stderr
    end = lines(first.stdout)[-1]
    assert (end["outcome"], end["steps"]) == ("stopped", 4)
    second = process("resume", tmp_path / "cut", "--json", "--output", tmp_path / "copy")
    assert second.returncode == 0, second.stderr
    end = lines(second.stdout)[-1]
    assert (end["outcome"], end["steps"]) == ("finished", 6)
    assert end["run_dir"] == str(tmp_path / "copy")
    assert read_manifest(tmp_path / "cut")["steps"] == 4

    def losses(events: list[dict[str, Any]]) -> list[float]:
        return [event["loss"] for event in events if event["event"] == "step_finished"]

    assert losses(lines(first.stdout)) + losses(lines(second.stdout)) == losses(whole)


def test_resuming_a_folder_that_is_not_a_run_is_refused(tmp_path: Path) -> None:
    ended = nestling("resume", tmp_path)
    assert ended.returncode == 2
    assert "is not a run" in ended.stderr


def test_a_run_with_half_a_manifest_is_refused(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text('{"format": 1}')
    ended = process("resume", tmp_path)
    assert (ended.returncode, "Traceback" in ended.stderr) == (2, False)
    assert "lacks 'name'" in ended.stderr


@pytest.mark.parametrize("output", ["/dev/full", None])
def test_a_closed_or_full_output_causes_no_traceback(
    output: str | None, tiny_model: Path, chat_file: Path, tmp_path: Path
) -> None:
    command = train_arguments(tiny_model, chat_file, tmp_path / "run")
    line = [sys.executable, "-m", "app", *map(str, command), "--json"]
    to = f"> {output}" if output else ">&-"
    ended = subprocess.run(
        ["sh", "-c", f'"$@" {to}', "sh", *line], capture_output=True, text=True,
        timeout=PATIENCE_SECONDS,
        env=environment(),
    )  # fmt: skip
    assert "Traceback" not in ended.stderr
    assert ended.returncode in (0, 130)


def test_a_name_too_long_for_a_file_is_refused(tiny_model: Path, chat_file: Path) -> None:
    command = train_arguments(tiny_model, chat_file, Path("/tmp") / ("x" * 300))
    ended = nestling(*command)
    assert ended.returncode == 2
    assert "too long" in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize("display", [":987", "nowhere"])
def test_a_dead_display_counts_as_none(
    display: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("DISPLAY", display)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    begun: list[TrainingConfig] = []

    def end_at_once(config: TrainingConfig, **_: object) -> Iterator[Event]:
        begun.append(config)
        yield RunFinished("finished", tmp_path, None, 1, "The one step is done.")

    monkeypatch.setattr("app.engine.training.trainer.train", end_at_once)
    handlers = {number: signal.getsignal(number) for number in SIGNALS}
    command = ["demo", "--steps", "1", "--output", str(tmp_path / "d")]
    assert run(command, lambda _: pytest.fail("a window was opened")) == 0
    for number, handler in handlers.items():
        signal.signal(number, handler)
    assert [config.steps for config in begun] == [1]
    assert "The one step is done." in capsys.readouterr().out


@pytest.mark.parametrize(
    "tiers", ["[{period = 1.7}]", "[{period = 1, factor = 2}]", "[{period = true}]"]
)
def test_invalid_tier_tables_are_refused(tiers: str, tmp_path: Path) -> None:
    path = tmp_path / "bad.toml"
    path.write_text(f"tiers = {tiers}")
    ended = nestling("train", "--config", path)
    assert ended.returncode == 2
    assert "tiers must be" in ended.stderr


def test_the_demo_asks_before_and_after_and_needs_no_display(tmp_path: Path) -> None:
    ended = process("demo", "--steps", "3", "--output", tmp_path / "demo", "--json")
    assert ended.returncode == 0, ended.stderr
    events = lines(ended.stdout)
    scores = [event for event in events if event["event"] == "score_measured"]
    asked = [(s["name"], s["when"]) for s in scores]
    assert asked == [
        ("new facts", "before"),
        ("retention", "before"),
        ("new facts", "after"),
        ("retention", "after"),
    ]
    assert scores[0]["correct"] == 0
    assert scores[1]["correct"] >= 0.97 * scores[1]["total"]
    assert events[-1]["outcome"] == "finished"


def test_without_a_display_the_window_is_refused_in_a_sentence() -> None:
    hidden = {"QT_QPA_PLATFORM"}
    ended = subprocess.run(
        [sys.executable, "-m", "app"], capture_output=True, text=True, timeout=PATIENCE_SECONDS,
        env={name: value for name, value in environment().items() if name not in hidden},
    )  # fmt: skip
    assert ended.returncode == 2
    assert "There is no display" in ended.stderr


@pytest.mark.slow
def test_the_demo_learns_the_new_facts_and_keeps_most_of_the_old(tmp_path: Path) -> None:
    ended = process("demo", "--output", tmp_path / "demo", "--json")
    assert ended.returncode == 0, ended.stderr
    scores = {
        (event["name"], event["when"]): event["correct"] / event["total"]
        for event in lines(ended.stdout)
        if event["event"] == "score_measured"
    }
    assert scores["new facts", "before"] == 0
    assert scores["new facts", "after"] == 1
    assert scores["retention", "before"] >= 0.97
    assert scores["retention", "after"] >= 0.9
    distances = [e["base_kl"] for e in lines(ended.stdout) if e["event"] == "retention_measured"]
    assert distances[-1] < 0.5  # plain AdamW ends at 3.5


def test_datasets_are_mixed_by_their_shares(
    tiny_model: Path, chat_file: Path, tmp_path: Path
) -> None:
    for name in ("old.jsonl", "older.jsonl"):
        rows = (json.dumps({"text": f"{name} {number}"}) + "\n" for number in range(30))
        (tmp_path / name).write_text("".join(rows))
    run = tmp_path / "run"
    arguments = train_arguments(tiny_model, chat_file, run)
    mix = ["--mix", f"{tmp_path / 'old.jsonl'}=0.25", "--mix", f"{tmp_path / 'older.jsonl'}=0.05"]
    ended = nestling(*arguments, *mix, "--json")
    assert ended.returncode == 0, ended.stderr
    notes = " ".join(event["text"] for event in lines(ended.stdout) if "text" in event)
    assert "13 rows of old.jsonl (25.0%), which has 27" in notes
    assert "3 rows of older.jsonl (5.8%), which has 27" in notes
    assert [part["rows_per_epoch"] for part in read_manifest(run)["mixed"]] == [36, 13, 3]


def test_an_invalid_share_is_refused(chat_file: Path) -> None:
    ended = nestling("train", "--data", chat_file, "--mix", f"{chat_file}=2")
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr == (
        "nestling: The share of chats.jsonl must be above 0 and below 1, like 0.25 for a quarter; "
        "it is 2.\n"
    )


@pytest.mark.parametrize(
    ("flags", "method"),
    [
        ([], LEARN_AND_KEEP),
        (["--learning-rate", "1e-4", "--steps", "9"], LEARN_AND_KEEP),
        (["--tiers", "1,2,4"], BY_TIERS),
        (["--assign", "rank"], BY_TIERS),
        (["--slow-every", "0"], BY_TIERS),
        (["--slow-weight", "2"], CUSTOM),  # of the slow clock that is on by default
        (["--slow-rate", "1"], CUSTOM),
        (["--preset", "one-pace"], JUST_LEARN),
    ],
)
def test_a_new_run_learns_and_keeps_unless_tiers_or_clocks_are_set(
    flags: list[str], method: LearningMethod
) -> None:
    config = training_config(parse(["train", "--data", "rows.jsonl", *flags]))
    assert learning_method(config) is method
    assert bool(config.slow_every) == (method in (LEARN_AND_KEEP, CUSTOM))


def test_a_settings_file_is_taken_as_it_stands(tmp_path: Path) -> None:
    (tmp_path / "run.toml").write_text('data = "rows.jsonl"\n')
    config = training_config(parse(["train", "--config", str(tmp_path / "run.toml")]))
    assert learning_method(config) is BY_TIERS
