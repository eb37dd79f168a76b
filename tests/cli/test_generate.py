"""`nestling generate` on a real run of the tiny model; in a real process for what is a fact about
it."""

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from app.core.config.training_config import TierConfig, TrainingConfig
from tests.cli.in_process import Ended, nestling
from tests.conftest import write_chats
from tests.homes import copied_run, train_at_home
from tests.other_base_models import CHANGES, copied_model
from tests.patience import PATIENCE_SECONDS

SHORT = ("--max-tokens", "4")


def generate(*arguments: object, stdin: str | bytes = "") -> Ended:
    return nestling("generate", *arguments, stdin=stdin)


def process(*arguments: object, stdin: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "app", "generate", *map(str, arguments)], capture_output=True,
        timeout=PATIENCE_SECONDS, input=stdin, encoding="utf-8",
    )  # fmt: skip


@pytest.fixture(scope="module")
def home_of_a_run(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("home-of-a-run")
    write_chats(home / "chats.jsonl", 24)
    config = TrainingConfig(
        model=tiny_model, data=home / "chats.jsonl", name="chatty", steps=4, batch_size=4,
        learning_rate=1e-2, steps_per_eval=2, steps_per_save=2,
        tiers=(TierConfig(1), TierConfig(2)),
    )  # fmt: skip
    return train_at_home(home, config)


@pytest.fixture
def run_dir(home_of_a_run: Path, own_home: Path) -> Path:
    """A run in the library with checkpoints at steps 2 and 4, a copy of its own for every test."""
    return copied_run(home_of_a_run, own_home)


def test_a_checkpoint_answers_a_prompt_or_standard_input(run_dir: Path) -> None:
    asked = generate("--run", "chatty", "--prompt", "What is 2 plus 2?", *SHORT)
    assert asked.returncode == 0, asked.stderr
    assert "4 tokens" in asked.stderr
    assert "cut at max tokens" in asked.stderr
    piped = process("--run", run_dir, *SHORT, stdin="What is 2 plus 2?\n")
    assert piped.stdout == asked.stdout
    assert len(asked.stdout.rstrip("\n")) > 0


def test_the_base_model_answers_too_and_their_distance_is_shown(run_dir: Path) -> None:
    result = generate("--run", "chatty", "--prompt", "Hi", "--base", "--temperature", 1, *SHORT)
    assert result.returncode == 0, result.stderr
    assert result.stdout.startswith("Base, ")
    assert "\n\nTuned, step-00000" in result.stdout
    assert "First token: logits differ by up to" in result.stderr
    assert "base: 4 tokens" in result.stderr


def test_events_come_as_json_lines(run_dir: Path) -> None:
    result = generate(
        "--run", "chatty", "--checkpoint", "step-000002", "--prompt", "Hi", "--base", "--json",
        *SHORT,
    )  # fmt: skip
    events = [json.loads(line) for line in result.stdout.splitlines()]
    assert events[0]["event"] == "checkpoint_loaded"
    assert events[0]["adapter"].endswith("step-000002")
    assert events[0]["base_model"] == {"state": "same", "message": "", "changed": [], "files": []}
    assert events[-1]["event"] == "answers_compared"
    (found,) = [event for event in events if event["event"] == "logits_compared"]
    assert found["largest_difference"] > 0
    assert not found["are_equal"]
    sides = {event["side"] for event in events if event["event"] == "answer_ended"}
    assert sides == {"base", "tuned"}


@pytest.mark.parametrize(
    ("arguments", "stdin", "words"),
    [
        (["--run", "dogs", "--prompt", "Hi"], "", "There is no run named 'dogs'"),
        (
            ["--run", "chatty", "--prompt", "Hi", "--checkpoint", "step-9"],
            "",
            "Its checkpoints are step-000002",
        ),
        (["--run", "chatty"], " \n", "There is no question"),
        (["--run", "chatty"], b"\xff\xfe", "isn't UTF-8 text"),
        (["--run", "chatty", "--prompt", "Hi", "--top-p", "2"], "", "Top-p must be"),
        (["--run", "chatty", "--prompt", "Hi", "--model", "nowhere"], "", "no model folder at"),
        (["--prompt", "Hi"], "", "required: --run"),
    ],
)
def test_unanswerable_requests_are_refused_in_a_sentence(
    run_dir: Path, arguments: list[str], stdin: str | bytes, words: str
) -> None:
    ended = generate(*arguments, stdin=stdin)
    assert ended.returncode == 2
    assert words in ended.stderr
    assert "Traceback" not in ended.stderr
    assert ended.stdout == ""


def test_a_truncated_checkpoint_is_refused_in_a_sentence(run_dir: Path) -> None:
    file = run_dir / "checkpoints" / "step-000004" / "adapters.safetensors"
    file.write_bytes(file.read_bytes()[:-8])
    ended = process("--run", "chatty", "--checkpoint", "step-000004", "--prompt", "Hi")
    assert ended.returncode == 2
    assert "adapters.safetensors changed since it was written" in ended.stderr
    assert "Traceback" not in ended.stderr


CTRL_C_IN_THE_TEMPLATE = """
import multiprocessing, signal, sys
from app.cli.commands import run
from app.data.chat import template_trial
from app.engine.runtime import stopping

signal.signal(signal.SIGINT, signal.default_int_handler)  # a job in the background ignores it
trying = template_trial.try_templates
template_trial.CPU_SECONDS = 10000
template_trial._MAX_SECONDS = 10000.0

def interrupted(templates):
    for _ in trying(templates):
        print(len(multiprocessing.active_children()), "at work")
        signal.raise_signal(signal.SIGINT)
        yield

stopping.try_templates = interrupted
code = run(sys.argv[1:], None)
print(len(multiprocessing.active_children()), "left")
sys.exit(code)
"""


def test_ctrl_c_ends_it_while_a_template_never_does(
    run_dir: Path, tiny_model: Path, tmp_path: Path
) -> None:
    model = tmp_path / "model"
    shutil.copytree(tiny_model, model)
    loop = "{% for i in range(99999) %}"
    (model / "chat_template.jinja").write_text(f"{loop}{loop}{{% endfor %}}{{% endfor %}}")
    ended = subprocess.run(
        [
            sys.executable, "-c", CTRL_C_IN_THE_TEMPLATE, "generate", "--run", str(run_dir),
            "--model", str(model), "--prompt", "Hi",
        ],
        capture_output=True, text=True, timeout=PATIENCE_SECONDS,
    )  # fmt: skip
    assert (ended.returncode, ended.stdout) == (130, "1 at work\n0 left\n"), ended.stderr
    assert "Traceback" not in ended.stderr


INTERRUPTED = """
import signal, sys
from app.cli.commands import run
from app.engine.generation import generation

number = int(sys.argv.pop(1))
usual = signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL
signal.signal(number, usual)  # a job in the background, or under nohup, ignores it
answer = generation.answer

def interrupted(*arguments):
    for event in answer(*arguments):
        yield event
        signal.raise_signal(number)

generation.answer = interrupted
sys.exit(run(sys.argv[1:], None))
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interrupted_answer_says_so(run_dir: Path, number: signal.Signals) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", INTERRUPTED, str(number.value), "generate", "--run", str(run_dir),
         "--prompt", "Hi"],
        capture_output=True, text=True, timeout=PATIENCE_SECONDS,
    )  # fmt: skip
    assert (ended.returncode, ended.stderr) == (130, "Interrupted.\n")


def test_an_answer_without_a_reader_ends_quietly(run_dir: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "app", "generate", "--run", "chatty", "--prompt", "Hi", "--json",
         "--max-tokens", "400", "--temperature", "2"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=dict(os.environ),
    ) as process:  # fmt: skip
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        errors = process.stderr.read().decode()
    assert process.returncode == 130
    assert "Traceback" not in errors
    assert "Broken" not in errors


@pytest.mark.parametrize("what", CHANGES)
def test_a_changed_base_model_is_reported_and_shown(
    what: str, run_dir: Path, tiny_model: Path, tmp_path: Path
) -> None:
    change, sentence, hint = CHANGES[what]
    other = copied_model(tiny_model, tmp_path / "other")
    change(other)
    result = generate("--run", "chatty", "--model", other, "--prompt", "Hi", *SHORT)
    assert result.returncode == 0, result.stderr
    assert sentence.format(other) in result.stderr
    manifest = json.loads((run_dir / "run.json").read_text())
    manifest["config"]["model"] = str(other)
    (run_dir / "run.json").write_text(json.dumps(manifest))
    shown = shown_run("chatty")
    assert f"{sentence.format(other)} {hint}" in shown
    check = json.loads(shown_run("chatty", "--json"))["base_model_check"]
    assert (check["state"], check["message"]) == ("changed", sentence.format(other))
    assert check["files"] == [hint.partition(" ")[0]]


def test_the_base_model_is_shown_with_its_digests(run_dir: Path, tiny_model: Path) -> None:
    shown = shown_run("chatty")
    weights = (tiny_model / "model.safetensors").read_bytes()
    assert f"SHA-256 {hashlib.sha256(weights).hexdigest()[:16]}" in shown
    assert "Unchanged: the base model this run was trained with, byte for byte" in shown
    report = json.loads(shown_run("chatty", "--json", "--whole"))
    assert report["base_model_check"]["state"] == "same"
    assert list(report["base_model"]["weights"]) == ["model.safetensors"]


def shown_run(*arguments: str) -> str:
    ended = nestling("show", *arguments)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout
