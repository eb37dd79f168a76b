"""`nestling check` as a user types it: what it says, and its exit codes."""

import json
import math
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from app.cli import rich_output
from app.cli.commands import run
from app.engine.model import loading
from app.engine.model.loading import load_tokenizer
from tests.cli.in_process import Ended, nestling
from tests.conftest import write_chats
from tests.limited_models import build_gpt2, with_another_end_token, with_context, with_late_tokens
from tests.other_base_models import copied_model
from tests.patience import PATIENCE_SECONDS


def check(*arguments: object) -> Ended:
    return nestling("check", *arguments)


def process(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "app", "check", *map(str, arguments)],
        capture_output=True, text=True, timeout=PATIENCE_SECONDS, env=dict(os.environ),
    )  # fmt: skip


def report(*arguments: object) -> tuple[int, dict[str, Any]]:
    ended = check(*arguments, "--json")
    assert not ended.stderr, ended.stderr
    return ended.returncode, json.loads(ended.stdout)


@pytest.fixture(autouse=True)
def without_progress(monkeypatch: pytest.MonkeyPatch) -> None:
    """However busy the machine is."""
    monkeypatch.setattr(rich_output, "_FIRST_LINE_S", math.inf)


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "a.csv"
    path.write_text("q,a\nfox?,yes\nFOX?, yes\nox?,\n")
    return path


def test_a_clean_dataset_ends_with_0(chat_file: Path) -> None:
    ended = process(chat_file)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout == "chats.jsonl: 40 examples (chat).\n"


def test_bad_rows_are_listed_and_end_with_2(table: Path) -> None:
    ended = process(table, "--columns", "prompt=q,completion=a")
    assert ended.returncode == 2
    assert ended.stdout.splitlines() == [
        "a.csv: 2 examples (prompt and completion).",
        "By kind: empty 1, duplicate 1.",
        "1 row can't be used:",
        "  a.csv, line 4: a is empty",
        "1 warning:",
        "  a.csv, line 3: is the same as line 2, except for case and white space",
    ]


def test_twenty_problems_are_listed_unless_all_are_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("q,a\n" + "x,\n" * 50 + "fox?,yes\n" * 3, encoding="utf-8")
    few = check(path, "--columns", "prompt=q,completion=a").stdout.splitlines()
    assert few[:2] == [
        "a.csv: 3 examples (prompt and completion).",
        "By kind: empty 50, duplicate 2.",
    ]
    assert sum("is empty" in line for line in few) == 18
    assert few[-5:] == [
        "  … and 32 more",
        "2 warnings:",
        "  a.csv, line 53: is the same as line 52",
        "  a.csv, line 54: is the same as line 52",
        "--all lists the first 1,000 of each file.",
    ]
    every = check(path, "--columns", "prompt=q,completion=a", "--all").stdout.splitlines()
    assert sum("is empty" in line for line in every) == 50
    assert not any("more" in line or "--all" in line for line in every)


def test_unknown_columns_suggest_a_mapping(table: Path) -> None:
    ended = check(table)
    assert ended.returncode == 2
    assert "a.csv, line 2: needs messages, prompt and completion, or text; found " in ended.stdout
    assert "Name its columns, like --columns prompt=q,completion=a" in ended.stdout


def test_json_gives_the_counts_by_kind_and_the_list(table: Path) -> None:
    code, found = report(table, "--columns", "prompt=q,completion=a")
    assert code == 2
    assert (found["examples"], found["errors"], found["warnings"]) == (2, 1, 1)
    assert found["counts"] == {"empty": 1, "duplicate": 1}
    assert found["problems"][0] == {
        "file": str(table), "line": 4, "row": None, "kind": "empty", "severity": "error",
        "reason": "a is empty",
    }  # fmt: skip


def test_rows_of_a_list_on_one_line_are_named_by_number(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text(json.dumps([{"text": "a"}, {"text": ""}, {"text": "A"}]))
    code, found = report(path)
    places = [(one["line"], one["row"], one["reason"]) for one in found["problems"]]
    same = "is the same as row 1, except for case and white space"
    assert (code, places) == (
        2, [(1, 2, "text is empty"), (1, 3, same)]
    )  # fmt: skip
    assert "  a.json, row 2: text is empty" in check(path).stdout


def test_warnings_alone_end_with_0(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"text": "a"}\n{"text": "A"}\n')
    code, found = report(path)
    assert (code, found["errors"], found["counts"]) == (0, 0, {"duplicate": 1})


def test_with_a_model_tokens_cuts_and_refusals_are_reported(
    tiny_model: Path, tmp_path: Path
) -> None:
    path = tmp_path / "a.jsonl"
    rows = [
        {"prompt": "a", "completion": "b"},
        {"prompt": "a", "completion": "b" * 50},
        {"prompt": "a" * 90, "completion": "b"},
        {"messages": [{"role": "assistant", "content": "b"}]},
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    asked = ["--model", tiny_model, "--max-seq-length", "40", "--validation-split", "0",
             "--batch-size", "2"]  # fmt: skip
    code, found = report(path, *asked)
    assert code == 2
    assert found["counts"] == {"too long": 2, "refused by the model": 1}
    assert (found["errors"], found["warnings"]) == (2, 1)
    by_line = {problem["line"]: problem for problem in found["problems"]}
    assert by_line[2]["severity"] == "warning"
    assert by_line[3]["reason"].endswith("are cut at 40, before anything to train on")
    assert by_line[4]["reason"] == "its only assistant turn comes first, before any question"
    tokens = found["tokens"]
    assert (tokens["train_rows"], tokens["left_out"], tokens["cut"]) == (2, 2, 1)
    assert 40 < tokens["tokens"] < 80, "of the two rows that a run would train on, one of them cut"
    assert tokens["longest"] > 90
    assert found["epoch"] == {
        "rows": [2], "tokens": tokens["tokens"], "trained_tokens": tokens["trained_tokens"],
        "steps": 1,
    }  # fmt: skip
    output = check(path, *asked).stdout
    assert "2 rows can't be used with this model:" in output
    assert "2 rows to train on, 0 to validate on, 2 left out." in output
    assert (
        f"longest {tokens['longest']}; 1 row cut at 40, {tokens['cut_off']} tokens lost." in output
    )
    assert "An epoch: 1 step.\n" in output
    with path.open("a") as file:
        file.write('{"text": ""}\n')
    output = check(path, *asked).stdout
    assert "With bad rows left out, an epoch: 1 step.\n" in output


def test_a_dataset_that_starts_no_run_is_reported(tiny_model: Path, tmp_path: Path) -> None:
    broken = tmp_path / "a.json"
    broken.write_text('[{"text": "whole"}, {"text": "cut o')
    code, found = report(broken, "--model", tiny_model)
    assert (code, found["tokens"], found["epoch"]) == (2, None, None)
    output = check(broken, "--model", tiny_model).stdout
    assert "No run would start. A file can't be read completely." in output
    few = tmp_path / "few.jsonl"
    few.write_text('{"text": "one"}\n{"text": "two"}\n')
    code, found = report(few, "--model", tiny_model, "--validation-split", "0")
    assert (code, found["epoch"]) == (0, None)
    assert found["no_run"].startswith("There are 2 training rows, fewer than the batch size of 4.")


def test_a_model_s_weights_are_not_read(tiny_model: Path, chat_file: Path, tmp_path: Path) -> None:
    model = Path(shutil.copytree(tiny_model, tmp_path / "model"))
    (model / "model.safetensors").write_bytes(b"no weights")
    code, found = report(chat_file, "--model", model)
    assert (code, found["errors"], found["tokens"]["cut"]) == (0, 0, 0)


@pytest.mark.parametrize(
    ("what", "change"),
    [
        ("changed", lambda path: path.write_bytes(path.read_bytes()[:-100])),
        ("changed", lambda path: path.write_text('{"text": "another"}\n')),
        ("disappeared", lambda path: path.unlink()),
    ],
)
def test_a_file_that_changes_between_reading_and_tokenising_is_named(
    tiny_model: Path,
    chat_file: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    what: str,
    change: Callable[[Path], object],
) -> None:
    def load_and_change(model: Path) -> Any:
        change(chat_file)
        return load_tokenizer(model)

    monkeypatch.setattr(loading, "load_tokenizer", load_and_change)
    code = run(["check", str(chat_file), "--model", str(tiny_model)], lambda _: 0)
    printed, stderr = capsys.readouterr()
    assert (code, printed) == (2, "")
    assert f"chats.jsonl {what} while it was read." in stderr


def test_datasets_to_mix_are_checked_together(tmp_path: Path) -> None:
    texts = {
        "new.jsonl": ["a", "b", "", "a"],
        "old.json": ["B", "c", "v"],
        "more/train.jsonl": ["c", "d"],
        "more/valid.jsonl": ["v", "w"],
    }
    for name, rows in texts.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        lines = [json.dumps({"text": text}) for text in rows]
        path.write_text("\n".join(lines) if name.endswith("l") else f"[{','.join(lines)}]")
    mixed = ["--mix", f"{tmp_path / 'old.json'}=0.25", "--mix", f"{tmp_path / 'more'}=0.1"]
    code, found = report(tmp_path / "new.jsonl", *mixed)
    assert (code, found["errors"], found["warnings"]) == (2, 1, 4)
    assert found["counts"] == {
        "empty": 1, "duplicate": 1, "in two datasets": 2, "in both sets": 1
    }  # fmt: skip
    across = [
        (Path(one["file"]).name, one["row"] or one["line"], one["reason"])
        for one in found["problems"]
        if one["kind"].startswith("in ")
    ]
    assert across == [
        ("old.json", 1, "is the same as line 2 in new.jsonl, except for case and white space"),
        ("old.json", 3, "is the same as line 1 in valid.jsonl"),
        ("train.jsonl", 1, "is the same as row 2 in old.json"),
    ]
    assert found["examples"] == 3
    assert [(one["share"], one["examples"]) for one in found["mix"]] == [(0.25, 3), (0.1, 2)]
    files = [file for one in (found, *found["mix"]) for file in one["files"]]
    assert [(Path(file["path"]).name, file["examples"], file["errors"]) for file in files] == [
        ("new.jsonl", 3, 1), ("old.json", 3, 0), ("train.jsonl", 2, 0), ("valid.jsonl", 2, 0)
    ]  # fmt: skip
    output = check(tmp_path / "new.jsonl", *mixed).stdout
    assert "In several datasets: in two datasets 2, in both sets 1." in output
    assert f"  {tmp_path / 'new.jsonl'}: 3 examples, 1 row can't be used, 1 warning\n" in output


@pytest.mark.parametrize(
    ("mix", "sentence"),
    [
        ("a.csv=0.2", "are the same file: a dataset can't be used twice"),
        ("a.csv", "mix must name datasets with their shares, like old.jsonl=0.25"),
        ("a.csv=2", "The share of a.csv must be above 0 and below 1"),
        ("no.csv=0.2", "no.csv isn't there"),
    ],
)
def test_an_unusable_mix_ends_with_2_and_one_sentence(
    table: Path, monkeypatch: pytest.MonkeyPatch, mix: str, sentence: str
) -> None:
    monkeypatch.chdir(table.parent)
    ended = check("a.csv", "--columns", "prompt=q,completion=a", "--mix", mix)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert sentence in ended.stderr
    assert len(ended.stderr.strip().splitlines()) == 1


def test_datasets_to_mix_are_tokenised_too(tiny_model: Path, tmp_path: Path) -> None:
    for name, word in (("a.jsonl", "x"), ("b.jsonl", "y" * 60)):
        (tmp_path / name).write_text(json.dumps({"text": word}) + "\n")
    mixed = ["--mix", f"{tmp_path / 'b.jsonl'}=0.5", "--model", tiny_model]
    code, found = report(tmp_path / "a.jsonl", *mixed, "--max-seq-length", "40")
    assert (code, found["counts"]) == (0, {"too long": 1})
    assert found["tokens"]["cut"] == 0
    assert found["mix"][0]["tokens"]["cut"] == 1


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["nowhere.jsonl"], "nowhere.jsonl isn't there"),
        ([], "the following arguments are required: DATA"),
        (
            ["a.csv", "--columns", "prompt=q"],
            "A column is mapped to prompt but none to completion.",
        ),
        (["a.csv", "--columns", "body"], "'body' maps no column"),
        (["a.csv", "--model", "nowhere"], "There is no model folder at nowhere"),
        (["a.csv", "--max-seq-length", "0"], "Max length (tokens) must be at least 8"),
    ],
)
def test_bad_arguments_end_with_2_and_one_sentence(
    table: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], sentence: str
) -> None:
    monkeypatch.chdir(table.parent)
    ended = check(*arguments)
    assert ended.returncode == 2
    assert sentence in ended.stderr
    assert len(ended.stderr.strip().splitlines()) == 1


def train(model: Path, data: Path, *more: str) -> Ended:
    return nestling(
        "train", "--model", model, "--data", data, "--output", data.parent / "run", "--steps", "1",
        "--batch-size", "1", *more,
    )  # fmt: skip


def test_train_maps_columns_and_leaves_bad_rows_out(tiny_model: Path, table: Path) -> None:
    mapped = ["--columns", "prompt=q,completion=a"]
    refused = train(tiny_model, table, *mapped)
    assert refused.returncode == 2
    assert "a.csv has 1 bad row: line 4: a is empty." in refused.stderr
    ended = train(tiny_model, table, *mapped, "--bad-rows", "skip")
    assert ended.returncode == 0, ended.stderr
    assert "1 row is left out; the first: a.csv, line 4: a is empty." in ended.stdout


RESTING = """
import sys
from threading import Event
from app.__main__ import main
from app.cli.rich_output import Bar

show, stage = Bar.show, sys.argv.pop(1)

def show_and_rest(bar, label, *, completed):
    show(bar, label, completed=completed)
    if label == stage and completed > 0:
        Event().wait()

Bar.show = show_and_rest
sys.exit(main())
"""
"""Once a part of the stage is done, it waits for the interrupt, however late that comes."""


@pytest.mark.parametrize("stage", ["Reading rows.jsonl", "Tokenizing rows.jsonl"])
def test_a_terminal_shows_progress_and_ctrl_c_ends_with_130(
    tiny_model: Path, tmp_path: Path, stage: str
) -> None:
    """Also the processes that make tokens end: they have the same standard output, read here to
    its end."""
    data = tmp_path / "rows.jsonl"
    is_reading = stage.startswith("Reading")
    with data.open("w") as file:
        for number in range(40_000):
            file.write(json.dumps({"text": f"{number} " + "words " * 40}) + "\n")
    ours, theirs = os.openpty()
    model = [] if is_reading else ["--model", str(tiny_model)]
    process = subprocess.Popen(
        [sys.executable, "-c", RESTING, stage, "check", str(data), *model],
        stdout=subprocess.PIPE, stderr=theirs, text=True,
        env={**os.environ, "TERM": "xterm", "COLUMNS": "100"},
        # In the background of a shell the signal is ignored, and that is handed on.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )  # fmt: skip
    os.close(theirs)
    shown = b""
    while b"%" not in shown.partition(stage.encode())[2]:
        shown += os.read(ours, 4096)
    process.send_signal(signal.SIGINT)
    while True:
        try:
            shown += os.read(ours, 4096)
        except OSError:  # no writer is left
            break
    printed, _ = process.communicate(timeout=PATIENCE_SECONDS)
    assert (process.returncode, printed) == (130, "")
    assert b"Traceback" not in shown
    os.close(ours)


def texts(path: Path, *rows: str) -> Path:
    path.write_text("".join(json.dumps({"text": row}) + "\n" for row in rows))
    return path


Printed = Callable[..., tuple[int, str]]


@pytest.fixture
def printed(capsys: pytest.CaptureFixture[str]) -> Printed:
    """The exit code and what is printed, in this process, which has MLX already."""

    def print_report(*arguments: object) -> tuple[int, str]:
        code = run(["check", *map(str, arguments)], lambda _: 0)
        return code, capsys.readouterr().out

    return print_report


def test_tokens_without_an_embedding_are_named_and_end_with_2(
    tiny_model: Path, tmp_path: Path, printed: Printed
) -> None:
    model = with_late_tokens(tmp_path / "late", tiny_model)
    data = texts(tmp_path / "a.jsonl", "fine", "so <|later|> it is")
    asked = ["--model", model, "--batch-size", 1, "--validation-split", 0]
    code, text = printed(data, *asked, "--json")
    found = json.loads(text)
    assert (code, found["counts"]) == (2, {"token without embedding": 1})
    assert found["problems"][0]["line"] == 2
    assert found["model"]["embedding_rows"] == 320
    _, output = printed(data, *asked)
    assert (
        "  a.jsonl, line 2: contains the token '<|later|>' (id 321), and this model has embeddings "
        "for 320 tokens only"
    ) in output
    assert "With bad rows left out, an epoch: 1 step." in output


def test_rows_that_the_template_refuses_are_named_and_end_with_2(
    tiny_model: Path, tmp_path: Path, printed: Printed
) -> None:
    model = tmp_path / "refusing"
    shutil.copytree(tiny_model, model)
    template = model / "chat_template.jinja"
    refusing = "{% if messages[0]['role'] == 'system' %}{{ raise_exception('no') }}{% endif %}"
    template.write_text(refusing + template.read_text())
    data = tmp_path / "a.jsonl"
    row = {"prompt": "a", "completion": "b"}
    data.write_text(json.dumps(row) + "\n" + json.dumps({"system": "s", **row}) + "\n")
    asked = ["--model", model, "--batch-size", 1, "--validation-split", 0]
    code, text = printed(data, *asked, "--json")
    found = json.loads(text)
    assert (code, found["counts"]) == (2, {"refused by the template": 1})
    (problem,) = found["problems"]
    assert (problem["line"], problem["severity"]) == (2, "error")
    assert problem["reason"] == "the model's chat template refuses it: no"
    _, output = printed(data, *asked)
    assert "1 row can't be used with this model:" in output
    assert "  a.jsonl, line 2: the model's chat template refuses it: no" in output
    assert "With bad rows left out, an epoch: 1 step." in output


def test_rows_cut_at_the_last_learned_position_are_reported(
    tiny_model: Path, tmp_path: Path, printed: Printed
) -> None:
    model = build_gpt2(tmp_path / "gpt2", tiny_model)
    data = texts(tmp_path / "a.jsonl", "short", "long" * 30)
    asked = ["--model", model, "--batch-size", 1, "--validation-split", 0]
    code, text = printed(data, *asked, "--json")
    found = json.loads(text)
    assert (code, found["counts"], found["tokens"]["cut"]) == (0, {"too long": 1}, 1)
    assert found["epoch"]["tokens"] == len("short") + 1 + 24
    _, output = printed(data, *asked)
    assert "its 121 tokens are cut at 24" in output
    assert "rows are cut at 24 tokens instead of 2,048." in output


def test_rows_longer_than_the_model_was_made_for_are_counted(
    tiny_model: Path, tmp_path: Path, printed: Printed
) -> None:
    model = with_context(tmp_path / "rotary", tiny_model, 32)
    data = texts(tmp_path / "a.jsonl", "short", "long" * 30, "longer" * 9)
    asked = ["--model", model, "--batch-size", 1, "--validation-split", 0]
    code, text = printed(data, *asked, "--json")
    found = json.loads(text)
    assert (code, found["tokens"]["cut"], found["tokens"]["beyond_context"]) == (0, 0, 2)
    assert "\nRows longer than the model's context (32 tokens): 2.\n" in printed(data, *asked)[1]


def test_an_end_token_unknown_to_mlx_lm_is_reported(
    tiny_model: Path, tmp_path: Path, printed: Printed
) -> None:
    model = with_another_end_token(tmp_path / "base", tiny_model)
    data = texts(tmp_path / "a.jsonl", "fine")
    code, text = printed(data, "--model", model, "--json")
    found = json.loads(text)
    assert code == 0
    (note,) = found["model"]["notes"]
    assert "ends a reply with '<|im_end|>' (id 2)" in note
    assert note in printed(data, "--model", model)[1]


def test_a_template_that_asks_for_the_date_is_reported(
    tiny_model: Path, tmp_path: Path, printed: Printed
) -> None:
    model = copied_model(tiny_model, tmp_path / "base")
    template = model / "chat_template.jinja"
    template.write_text("{{ strftime_now('%d') }}" + template.read_text())
    data = texts(tmp_path / "a.jsonl", "fine")
    (note,) = json.loads(printed(data, "--model", model, "--json")[1])["model"]["notes"]
    assert "asks for the date: chats are rendered with today's" in note


def test_thoughts_that_the_template_leaves_out_are_counted_and_named(
    tiny_model: Path, tmp_path: Path
) -> None:
    asked = {"role": "user", "content": "how?"}
    reply = {"role": "assistant", "content": "good", "thinking": "they ask"}
    path = tmp_path / "chats.jsonl"
    path.write_text(json.dumps({"messages": [asked, reply]}) + "\n")
    code, found = report(path, "--model", tiny_model)
    assert code == 0
    assert found["counts"] == {"thoughts left out": 1}
    printed = check(path, "--model", tiny_model).stdout
    assert "By kind: thoughts left out 1" in printed
    assert "line 1: has thoughts that the model's chat template leaves out" in printed


def test_without_examples_no_validation_rows_are_reported(
    tiny_model: Path, tmp_path: Path, printed: Printed
) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"foo": "1"}\n{"foo": "2"}\n')
    code, output = printed(path, "--model", tiny_model)
    assert code == 2
    assert "validation rows" not in output
    assert "No training row can be used: a.jsonl, line 1: needs messages, prompt" in output


def test_every_kind_of_problem_has_lines_among_the_twenty(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    good = ["fox", "ox", "fox", "ox\x01", "\ufffd"]
    rows = ['{"text": ""}'] * 90 + [json.dumps({"text": text}) for text in good] + ["{"]
    path.write_text("\n".join(rows))
    output = check(path).stdout.splitlines()
    lines = [line for line in output if line.startswith("  a.jsonl")]
    assert len(lines) == 20
    assert sum("text is empty" in line for line in lines) == 16
    assert sum("is not valid JSON" in line for line in lines) == 1
    assert sum("is the same as" in line for line in lines) == 1
    assert sum("control character" in line for line in lines) == 1
    assert sum("replacement character" in line for line in lines) == 1


def test_files_with_the_same_name_are_named_with_their_folders(tmp_path: Path) -> None:
    for name, text in (("train", "fox"), ("valid", "ox")):
        (tmp_path / "chats" / name).mkdir(parents=True)
        row = json.dumps({"text": text}) + "\n"
        (tmp_path / "chats" / name / "0000.jsonl").write_text(row * 2)
    output = check(tmp_path / "chats").stdout
    assert "  train/0000.jsonl, line 2: is the same as line 1" in output
    assert "  valid/0000.jsonl, line 2: is the same as line 1" in output


def test_a_file_that_can_t_be_read_is_not_counted_as_a_row(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl.txt"
    path.write_text('{"text": "fox"}\n{"text": "ox"}\n')
    assert check(path).stdout.splitlines()[2:] == [
        "1 file can't be used:",
        "  rows.jsonl.txt: is JSON Lines, not plain text: give its name the ending .jsonl",
    ]


def test_a_model_decides_which_keys_of_turns_are_left_out(
    tiny_model: Path, tmp_path: Path, printed: Printed
) -> None:
    """Few templates write `mood`, and many `name`: here it is the other way round."""
    model = Path(shutil.copytree(tiny_model, tmp_path / "model"))
    template = model / "chat_template.jinja"
    written = "{{ m['content'] }}{{ m.mood }}"
    changed = template.read_text().replace("{{ m['content'] }}", written)
    assert written in changed
    template.write_text(changed)
    path = tmp_path / "a.jsonl"
    rows = [
        [{"role": "user", "content": "how?", key: "fine"}, {"role": "assistant", "content": "so"}]
        for key in ("mood", "name", "other")
    ]
    path.write_text("".join(json.dumps({"messages": turns}) + "\n" for turns in rows))
    found = json.loads(printed(path, "--json")[1])
    assert [(one["line"], one["reason"].split(",")[0]) for one in found["problems"]] == [
        (1, "has mood in its turns"), (3, "has other in its turns")
    ]  # fmt: skip
    found = json.loads(printed(path, "--json", "--model", model)[1])
    assert found["counts"] == {"unused key": 2}
    assert found["warnings"] == 2
    assert [(one["line"], one["reason"]) for one in found["problems"]] == [
        (2, "has keys in its turns that are left out"),
        (3, "has other in its turns, which few chat templates write"),
    ]


def test_notes_on_replies_are_in_the_text_as_in_json(
    tiny_model: Path, tmp_path: Path, printed: Printed
) -> None:
    model = Path(shutil.copytree(tiny_model, tmp_path / "model"))
    thinking = Path(__file__).parents[1] / "data" / "templates" / "thinking.jinja"
    shutil.copy(thinking, model / "chat_template.jinja")
    turns = [
        {"role": role, "content": f"<think>\nyes\n</think>\n\n{text}" if text else "how?"}
        for role, text in (("user", ""), ("assistant", "one"), ("user", ""), ("assistant", "two"))
    ]
    path = tmp_path / "a.jsonl"
    path.write_text(json.dumps({"messages": turns}) + "\n")
    asked = [path, "--model", model, "--validation-split", 0, "--batch-size", 1]
    found = json.loads(printed(*asked, "--json")[1])["tokens"]
    assert (found["train_rows"], found["further_examples"], found["last_reply_only"]) == (2, 1, 0)
    whole = json.loads(printed(*asked, "--replies", "whole-chat", "--json")[1])["tokens"]
    assert (whole["train_rows"], whole["further_examples"], whole["last_reply_only"]) == (1, 0, 1)
    assert found["further_cost"] == round(found["tokens"] / whole["tokens"], 4)
    gained = found["trained_tokens"] - whole["trained_tokens"]
    assert found["further_trained_tokens"] == gained > 0
    assert (
        "\n1 of these rows trains earlier replies, which the model's chat template changes when "
        f"more turns follow: {found['further_cost']:.2f} times the tokens, {gained:,} more of them "
        "trained.\n"
    ) in printed(*asked)[1]
    assert (
        "\n1 row is trained on the last reply only, as the model's chat template changes earlier "
        "ones.\n"
    ) in printed(*asked, "--replies", "whole-chat")[1]


def test_a_check_that_takes_long_reports_its_progress_without_a_terminal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rich_output, "_FIRST_LINE_S", 0.0)
    monkeypatch.setattr(rich_output, "_NEXT_LINE_S", 0.0)
    write_chats(tmp_path / "chats.jsonl", 24)
    ended = check(tmp_path / "chats.jsonl")
    assert "Reading chats.jsonl: 100%" in ended.stderr.splitlines()
    assert "Reading" not in ended.stdout
