"""Terminal output: names and texts are shown unchanged but can't control the terminal; and commands
whose output has no reader any more."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from app.cli.commands import run
from app.cli.generate import Text
from app.cli.terminal import json_line
from app.core.files.paths import runs_dir
from app.core.generation_events import AnswerEnded, TextAdded
from app.core.text.sanitize import visible, visible_line
from app.library.run.layout import LABEL_FILE
from app.library.run.manifest import read_manifest
from tests.cli.on_a_terminal import ROOT, OnATerminal
from tests.conftest import write_chats
from tests.patience import PATIENCE_SECONDS

MakeRun = Callable[..., Path]
Nestling = Callable[..., "Ended"]
HOSTILE = "[/INST] [bold]x \x1b]0;owned\x07 \x9b31m \u202egpj :smile:"


class Ended(NamedTuple):
    returncode: int
    stdout: str
    stderr: str


COMMANDS = ("\x1b]", "\x9b", "\u202e", "\x07")


@pytest.fixture
def nestling(capsys: pytest.CaptureFixture[str]) -> Nestling:
    """Carry out a command line in this process."""

    def carry_out(*arguments: object) -> Ended:
        try:
            code = run([str(argument) for argument in arguments], lambda _: 0)
        except SystemExit as ended:
            code = int(str(ended.code))
        return Ended(code, *capsys.readouterr())

    return carry_out


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "app", *map(str, arguments)]


def environment() -> dict[str, str]:
    hidden = ("DISPLAY", "WAYLAND_DISPLAY")
    kept = {name: value for name, value in os.environ.items() if name not in hidden}
    return kept | {"PYTHONPATH": str(ROOT), "TERM": "xterm-256color", "COLUMNS": "200"}


def assert_is_harmless(text: str) -> None:
    assert not [sign for sign in COMMANDS if sign in text], text


def train_arguments(model: Path, data: Path, *more: object) -> list[str]:
    return command("train", "--model", model, "--data", data, "--rank", "2", *more)


# -- names are no markup ---------------------------------------------------------------------------
def test_a_name_in_brackets_is_listed_as_it_is(make_run: MakeRun, nestling: Nestling) -> None:
    make_run(runs_dir() / "2026-01-01-a", name="[/INST] tuned")
    make_run(runs_dir() / "2026-01-02-b", name="chat [clean].jsonl :smile:")
    result = nestling("runs")
    assert result.returncode == 0, result.stderr
    assert "[/INST] tuned " in result.stdout
    assert "chat [clean].jsonl :smile: " in result.stdout
    assert "[/INST] tuned: finished" in nestling("show", "2026-01-01-a").stdout


def test_a_file_s_name_in_a_progress_bar_is_neither_markup_nor_a_command(tmp_path: Path) -> None:
    data = tmp_path / "chat [clean] [b]\x1b]0;owned\x07.jsonl"
    write_chats(data, 40)
    with OnATerminal(command("check", data), env=environment()) as on_terminal:
        output = on_terminal.read_all().decode()
        assert on_terminal.process.returncode == 0, output
    assert r"Reading chat [clean] [b]\u001b]0;owned\u0007.jsonl" in output
    assert "\x1b]0" not in output


# -- nothing from elsewhere commands the terminal ------------------------------------------------
def test_control_characters_are_spelled_out() -> None:
    assert visible("a\x1b[31m\x9b\u202e\ud800\x7f") == r"a\u001b[31m\u009b\u202e\ud800\u007f"
    assert visible("a line\r\nand\tanother\rline\n") == "a line\nand\tanother\\u000dline\n"
    assert visible_line("one\nline") == r"one\u000aline"
    assert visible("שלום \u200e 👩\u200d🚀") == "שלום \u200e 👩\u200d🚀"


def test_a_run_s_texts_are_harmless_on_a_terminal_and_complete_in_json(
    make_run: MakeRun, nestling: Nestling
) -> None:
    run_dir = make_run(runs_dir() / "2026-01-01-a", name=HOSTILE)
    (run_dir / LABEL_FILE).write_text(json.dumps({"name": HOSTILE, "notes": f"{HOSTILE}\nand"}))
    for arguments in (("runs",), ("show", run_dir), ("show", run_dir, "--toml")):
        result = nestling(*arguments)
        assert result.returncode == 0, result.stderr
        assert "[/INST] [bold]x" in result.stdout
        assert_is_harmless(result.stdout + result.stderr)
    for arguments in (("runs", "--json"), ("show", run_dir, "--json")):
        result = nestling(*arguments)
        assert_is_harmless(result.stdout)
        assert json.loads(result.stdout)["name"] == HOSTILE


def test_json_holds_every_character_whatever_the_terminal_can_show(make_run: MakeRun) -> None:
    name = "é \ud800 😀"
    run_dir = make_run(runs_dir() / "2026-01-01-a")
    (run_dir / LABEL_FILE).write_text(json.dumps({"name": name, "notes": ""}))
    for encoding in ("utf-8", "latin-1"):
        result = subprocess.run(
            command("runs", "--json"), capture_output=True, timeout=PATIENCE_SECONDS,
            env=environment() | {"PYTHONIOENCODING": encoding},
        )  # fmt: skip
        assert json.loads(result.stdout.decode(encoding))["name"] == name


def test_json_has_null_for_nan_and_infinity(capsys: pytest.CaptureFixture[str]) -> None:
    json_line({"a": float("nan"), "b": [(1.5, float("-inf"))]})
    assert capsys.readouterr().out == '{"a": null, "b": [[1.5, null]]}\n'


@pytest.mark.parametrize(
    "arguments",
    [
        ["train", "--steps", "9" * 5000],
        ["train", "--tiers", "9" * 5000, "--data", "x"],
        ["train", "--data", "~nobody-of-that-name/x"],
        ["show", "~nobody-of-that-name/x"],
        ["train", "--steps", HOSTILE],
        ["train", "--data", HOSTILE],
        ["train", "--preset", HOSTILE],
        [HOSTILE],
        ["show", HOSTILE],
        ["show", f"a\n{HOSTILE}"],
        ["show", "no utf-8 \udcff"],
        ["check", HOSTILE],
        ["check", "no utf-8 \udcff"],
        ["generate", "--run", HOSTILE, "--prompt", "a"],
    ],
)  # fmt: skip
def test_an_error_names_foreign_words_in_one_harmless_line(
    arguments: list[str], nestling: Nestling
) -> None:
    ended = nestling(*arguments)
    assert ended.returncode == 2
    assert_is_harmless(ended.stdout + ended.stderr)
    assert len(ended.stderr.splitlines()) == 1, ended.stderr
    assert len(ended.stderr) < 600


def test_a_row_s_key_is_harmless_in_the_report(tmp_path: Path, nestling: Nestling) -> None:
    data = tmp_path / "rows.jsonl"
    data.write_text("".join(json.dumps({HOSTILE: i, "and": HOSTILE}) + "\n" for i in range(3)))
    result = nestling("check", data)
    assert result.returncode == 2
    assert "[/INST]" in result.stdout
    assert_is_harmless(result.stdout)
    result = nestling("check", data, "--json")
    assert_is_harmless(result.stdout)
    assert json.loads(result.stdout)["errors"] == 3


def test_a_model_s_answer_is_shown_harmless_with_its_lines(
    capsys: pytest.CaptureFixture[str],
) -> None:
    for has_both in (False, True):
        show = Text(has_both=has_both)
        for text in (HOSTILE, "\nand\ta line\n"):
            show(TextAdded("tuned", text))
        show(AnswerEnded("base", "end", 1, 2, 1.0))
        show(AnswerEnded("tuned", "end", 1, 2, 1.0))
        output = capsys.readouterr().out
        assert "gpj :smile:\nand\ta line\n" in output
        assert_is_harmless(output)


def test_the_output_of_libraries_and_tracebacks_is_harmless_too() -> None:
    code = (
        "import sys; from app.cli.terminal import guard_streams; guard_streams()\n"
        "print('\\x1b[2J', file=sys.stderr); raise ValueError('a \\x1b]0;owned\\x07')"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        cwd=ROOT,
    )
    assert r"\u001b[2J" in ended.stderr
    assert r"ValueError: a \u001b]0;owned\u0007" in ended.stderr
    assert "\x1b" not in ended.stderr


# -- output without a reader -----------------------------------------------------------------------
def test_a_reader_that_goes_leaves_a_run_stopped_with_its_last_step(
    tiny_model: Path, chat_file: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    often = ("--steps", "4000", "--steps-per-eval", "10")
    with subprocess.Popen(
        train_arguments(tiny_model, chat_file, "--output", run, *often),
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment(), text=True,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        assert process.stderr is not None
        for words in process.stdout:
            if words.startswith("Step 10: validation"):
                break
        process.stdout.close()
        errors = process.stderr.read()
    assert (process.returncode, errors) == (130, "")
    manifest = read_manifest(run)
    assert manifest["outcome"] == "stopped"
    assert manifest["adapter"].endswith(f"step-{manifest['steps']:06d}")
    assert (run / manifest["adapter"] / "adapters.safetensors").is_file()


@pytest.mark.parametrize(
    "arguments", [["--help"], ["runs"], ["runs", "--json"], ["show", "a"], ["check", "rows.jsonl"]]
)
def test_a_command_without_a_reader_ends_silently(
    arguments: list[str], make_run: MakeRun, tmp_path: Path
) -> None:
    make_run(runs_dir() / "a")
    write_chats(tmp_path / "rows.jsonl", 20)
    read_end, write_end = os.pipe()
    os.close(read_end)
    with os.fdopen(write_end) as gone:
        ended = subprocess.run(
            command(*arguments), stdout=gone, stderr=subprocess.PIPE, text=True,
            timeout=PATIENCE_SECONDS,
            env=environment(), cwd=tmp_path,
        )  # fmt: skip
    assert (ended.returncode, ended.stderr) == (130, "")


full_disk = pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device of Linux")


@full_disk
@pytest.mark.parametrize("arguments", [["--help"], ["runs"], ["runs", "--json"], ["show", "a"]])
def test_a_full_disk_under_stdout_is_reported_on_stderr(
    arguments: list[str], make_run: MakeRun
) -> None:
    make_run(runs_dir() / "a")
    with open("/dev/full", "w") as full:
        ended = subprocess.run(
            command(*arguments), stdout=full, stderr=subprocess.PIPE, text=True,
            timeout=PATIENCE_SECONDS,
            env=environment(),
        )  # fmt: skip
    assert ended.returncode == 2
    assert ended.stderr == "nestling: The output can't be written: No space left on device.\n"


@full_disk
def test_a_run_whose_output_fills_the_disk_says_so_and_stops(
    tiny_model: Path, chat_file: Path, tmp_path: Path
) -> None:
    arguments = train_arguments(
        tiny_model, chat_file, "--output", tmp_path / "run", "--steps", "20000"
    )
    with open("/dev/full", "w") as full:
        ended = subprocess.run(
            arguments,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=PATIENCE_SECONDS,
            env=environment(),
        )
    assert ended.returncode == 130
    assert ended.stderr.startswith(
        "nestling: The output can't be written: No space left on device. Stopped "
    )
    assert len(ended.stderr.splitlines()) == 1


def test_closing_the_terminal_ends_a_run_with_a_checkpoint(
    tiny_model: Path, chat_file: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    arguments = train_arguments(tiny_model, chat_file, "--output", run, "--steps", "200000")
    with OnATerminal(arguments, env=environment()) as on_terminal:
        on_terminal.read_until(b"tokens/s")
        on_terminal.close()
        assert on_terminal.process.wait(timeout=PATIENCE_SECONDS) == 130
    manifest = read_manifest(run)
    assert manifest["outcome"] == "stopped"
    assert (run / manifest["adapter"] / "adapters.safetensors").is_file()
