"""Two processes on loopback train one model: the same losses as one, one run folder, no hanging."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.core.config.training_config import TrainingConfig
from app.core.errors import InputError
from app.engine.batches.batches import Batch
from app.engine.runtime.distributed import Machines
from app.engine.training.checkpoints import last_checkpoint, load_checkpoint
from app.engine.training.trainer import train
from app.library.run.manifest import read_manifest
from tests.cli.in_process import nestling
from tests.conftest import write_chats
from tests.patience import PATIENCE_SECONDS

ROOT = Path(__file__).resolve().parents[2]
SETTINGS = ["--steps", "6", "--rank", "4", "--learning-rate", "1e-2", "--steps-per-eval", "3",
            "--batch-size", "4", "--grad-accumulation-steps", "2"]  # fmt: skip
Start = Callable[..., subprocess.Popen[str]]


RESTING = """
import sys, threading
from app.__main__ import main
from app.cli.interrupt import Interrupt

asked, handle = threading.Event(), Interrupt._handle

def handle_and_note(interrupt, *signal):
    handle(interrupt, *signal)
    asked.set()

def wait_for_the_signal(interrupt):
    print("waits", file=sys.stderr, flush=True)
    return asked.wait()

Interrupt._handle, Interrupt.is_requested = handle_and_note, wait_for_the_signal
sys.exit(main())
"""
"""A machine that gets no further than its first look for a signal until it gets one."""


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts `nestling` as one of two machines; none is left behind."""
    hosts = tmp_path / "hosts.json"
    hosts.write_text(json.dumps([[f"127.0.0.1:{port}"] for port in _free_ports(2)]))
    running: list[subprocess.Popen[str]] = []

    def begin(
        rank: int | None, *arguments: str, program: Sequence[str] = ("-m", "app")
    ) -> subprocess.Popen[str]:
        ring = {} if rank is None else {"MLX_RANK": str(rank), "MLX_HOSTFILE": str(hosts)}
        process = subprocess.Popen(
            [sys.executable, *program, *arguments], cwd=ROOT, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=os.environ | ring,
        )  # fmt: skip
        running.append(process)
        return running[-1]

    yield begin
    for process in running:
        process.kill()
        process.communicate()


def _free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [server.getsockname()[1] for server in sockets]
    for server in sockets:
        server.close()
    return ports


def _arguments(model: Path, data: Path, output: Path, *more: str) -> list[str]:
    return ["train", "--model", str(model), "--data", str(data), "--output", str(output),
            "--json", *SETTINGS, *more]  # fmt: skip


def _events(printed: str, name: str) -> list[dict[str, Any]]:
    return [e for line in printed.splitlines() if (e := json.loads(line))["event"] == name]


def _ended(processes: Sequence[subprocess.Popen[str]]) -> list[tuple[str, str]]:
    return [process.communicate(timeout=PATIENCE_SECONDS) for process in processes]


@pytest.mark.parametrize("own", [(), ("--slow-rate", "0.5")], ids=["shared", "own AdamW"])
def test_two_machines_give_the_losses_of_one(
    own: tuple[str, ...], tiny_model: Path, chat_file: Path, tmp_path: Path, start: Start
) -> None:
    """Lessons of the slow clock too, of which each computes all."""
    text = tmp_path / "text.jsonl"
    write_chats(text, 12)
    clock = ["--slow-every", "2", "--slow-text", str(text), *own]
    expected = nestling(*_arguments(tiny_model, chat_file, tmp_path / "alone", *clock)).stdout
    both = [
        start(r, *_arguments(tiny_model, chat_file, tmp_path / f"of-{r}", *clock)) for r in (0, 1)
    ]
    (first, errors), (second, _) = _ended(both)
    assert [p.returncode for p in both] == [0, 0], errors
    for name, key in (("step_finished", "loss"), ("evaluation_finished", "val_loss")):
        one, two = ([e[key] for e in _events(text, name)] for text in (expected, first))
        assert len(one) == (6 if name == "step_finished" else 3)
        assert two == pytest.approx(one, abs=1e-4)
    lessons = [[e["base_kl"] for e in _events(t, "step_finished")] for t in (expected, first)]
    assert [kl is None for kl in lessons[0]] == [True, False] * 3
    assert lessons[1][1::2] == pytest.approx(lessons[0][1::2], abs=1e-4)
    tokens = [[e["trained_tokens"] for e in _events(t, "step_finished")] for t in (expected, first)]
    assert tokens[0] == tokens[1]
    assert second == ""
    assert load_checkpoint(last_checkpoint(tmp_path / "of-0")).progress.step == 6
    assert not (tmp_path / "of-1").exists()


def test_a_lost_machine_ends_the_run_with_a_sentence_and_a_checkpoint(
    tiny_model: Path, chat_file: Path, tmp_path: Path, start: Start
) -> None:
    arguments = _arguments(tiny_model, chat_file, tmp_path / "run", "--steps", "100000")
    first, second = (start(rank, *arguments) for rank in (0, 1))
    assert first.stdout is not None
    for line in first.stdout:
        if json.loads(line).get("step", 0) >= 5:
            break
    second.send_signal(signal.SIGKILL)
    _, errors = first.communicate(timeout=PATIENCE_SECONDS)
    assert first.returncode == 2
    assert "The connection to another machine was lost" in errors
    manifest = read_manifest(tmp_path / "run")
    assert manifest["outcome"] == "failed"
    checkpoint = load_checkpoint(last_checkpoint(tmp_path / "run"))
    assert checkpoint.progress.step == manifest["steps"] >= 5
    steps = str(checkpoint.progress.step + 2)
    [(printed, errors)] = _ended(
        [start(None, "resume", str(tmp_path / "run"), "--json", "--stop-after", steps)]
    )
    assert [e["step"] for e in _events(printed, "step_finished")][-1:] == [int(steps)], errors


@pytest.mark.slow
def test_one_that_loses_the_first_says_nothing_of_checkpoints_it_does_not_keep(
    tiny_model: Path, chat_file: Path, tmp_path: Path, start: Start
) -> None:
    long = ("--steps", "100000", "--steps-per-eval", "100000")
    arguments = _arguments(tiny_model, chat_file, tmp_path / "run", *long)
    first, second = (start(rank, *arguments) for rank in (0, 1))
    assert first.stdout is not None
    for line in first.stdout:
        if json.loads(line)["event"] == "step_finished":
            break
    first.send_signal(signal.SIGKILL)
    _, errors = second.communicate(timeout=PATIENCE_SECONDS)
    assert second.returncode == 2
    assert "The connection to another machine was lost" in errors
    assert "no checkpoint" not in errors


def test_all_machines_are_asked_once_a_step(
    tiny_model: Path, chat_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[bool, ...]] = []
    answer = Machines.any_true

    def counted(machines: Machines, *words: bool) -> tuple[bool, ...]:
        asked.append(words)
        return answer(machines, *words)

    monkeypatch.setattr(Machines, "any_true", counted)
    config = TrainingConfig(model=tiny_model, data=chat_file, output=tmp_path / "run", steps=3)
    list(train(replace(config, validation_split=0.0)))
    assert len(asked) == 5  # when all is ready, and before the first step, too


def test_where_one_machine_is_asked_to_stop_in_a_validation_all_stop(
    tiny_model: Path, chat_file: Path, tmp_path: Path, start: Start
) -> None:
    long = ("--steps", "100000", "--steps-per-eval", "1", "--validation-split", "0.5")
    arguments = _arguments(tiny_model, chat_file, tmp_path / "run", *long)
    first, second = (start(rank, *arguments) for rank in (0, 1))
    assert first.stdout is not None
    for line in first.stdout:
        event = json.loads(line)
        if event["event"] == "evaluation_finished" and event["step"] > 0:
            break
    second.send_signal(signal.SIGINT)
    rest, errors = first.communicate(timeout=PATIENCE_SECONDS)
    end = _events(rest, "run_finished")[-1]
    assert end["outcome"] == "stopped", errors
    assert load_checkpoint(last_checkpoint(tmp_path / "run")).progress.step == end["steps"]
    second.communicate(timeout=PATIENCE_SECONDS)
    assert second.returncode == 130


@pytest.mark.parametrize("rank", [pytest.param(0, marks=pytest.mark.slow), 1])
def test_where_one_machine_is_asked_to_stop_before_the_run_all_stop(
    tiny_model: Path, chat_file: Path, tmp_path: Path, start: Start, rank: int
) -> None:
    arguments = _arguments(tiny_model, chat_file, tmp_path / "run", "--steps", "100000")
    programs = [("-c", RESTING) if each == rank else ("-m", "app") for each in (0, 1)]
    both = [start(each, *arguments, program=programs[each]) for each in (0, 1)]
    errors = both[rank].stderr
    assert errors is not None
    assert "waits\n" in errors  # reads no further
    both[rank].send_signal(signal.SIGINT)
    (rest, printed), _ = _ended(both)
    message = _events(rest, "run_finished")[-1]["message"]
    assert message == "Stopped before the first step.", printed
    assert [process.returncode for process in both] == [130 * (each == rank) for each in (0, 1)]
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_a_run_of_two_machines_resumes_on_two(
    tiny_model: Path, chat_file: Path, tmp_path: Path, start: Start
) -> None:
    """Dropout too: each machine drops its own, and what it would have dropped without the stop."""
    dropout = ("--dropout", "0.2")
    whole = [
        start(r, *_arguments(tiny_model, chat_file, tmp_path / "whole", *dropout)) for r in (0, 1)
    ]
    expected = [e["loss"] for e in _events(_ended(whole)[0][0], "step_finished")]
    cut = _arguments(tiny_model, chat_file, tmp_path / "cut", *dropout, "--stop-after", "3")
    begun = _events(_ended([start(r, *cut) for r in (0, 1)])[0][0], "step_finished")
    resumed = ["resume", str(tmp_path / "cut"), "--json"]
    (printed, errors), _ = _ended([start(r, *resumed) for r in (0, 1)])
    losses = [e["loss"] for e in [*begun, *_events(printed, "step_finished")]]
    assert losses == expected, errors


def test_machines_with_different_data_refuse_to_train(
    tiny_model: Path, chat_file: Path, tmp_path: Path, start: Start
) -> None:
    other = tmp_path / "other.jsonl"
    lines = chat_file.read_text().splitlines(keepends=True)
    other.write_text("".join([*lines[1:], lines[0]]))
    both = [
        start(rank, *_arguments(tiny_model, data, tmp_path / "run"))
        for rank, data in enumerate((chat_file, other))
    ]
    for _, errors in _ended(both):
        assert "the dataset is not the same on all of them" in errors
    assert [p.returncode for p in both] == [2, 2]
    assert not (tmp_path / "run").exists()


def test_a_batch_that_cannot_be_shared_evenly_is_refused(
    tiny_model: Path, chat_file: Path, tmp_path: Path, start: Start
) -> None:
    arguments = _arguments(tiny_model, chat_file, tmp_path / "run", "--batch-size", "3")
    for _, errors in _ended([start(rank, *arguments) for rank in (0, 1)]):
        assert "A batch of 3 rows can't be shared evenly by 2 machines" in errors


@pytest.mark.slow
def test_mlx_launch_starts_it_as_the_readme_says(
    tiny_model: Path, chat_file: Path, tmp_path: Path
) -> None:
    launch = Path(sys.executable).with_name("mlx.launch")
    command = [launch, "-n", "2", "--backend", "ring", "--", sys.executable, "-m", "app"]
    ended = subprocess.run(
        [*command, *_arguments(tiny_model, chat_file, tmp_path / "run")],
        cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE_SECONDS,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    assert len(_events(ended.stdout, "step_finished")) == 6


@pytest.mark.parametrize("count", [2, 4])
def test_a_batch_is_shared_without_gap_or_overlap(count: int) -> None:
    tokens = np.arange(32, dtype=np.int32).reshape(8, 4)
    batch = Batch(tokens, np.ones((8, 4), np.float32))
    shares = [Machines(rank, count).share(batch) for rank in range(count)]
    assert all(len(share.tokens) == 8 // count for share in shares)
    assert sorted(np.concatenate([s.tokens for s in shares]).tolist()) == tokens.tolist()
    turns = [list(Machines(rank, count).round_robin([batch] * 5, 5)) for rank in range(count)]
    assert {len(own) for own in turns} == {-(-5 // count)}  # as many, so that they can agree
    assert sum(one is not None for own in turns for one, _ in own) == 5


def test_a_fault_is_named_only_where_machines_differ(monkeypatch: pytest.MonkeyPatch) -> None:
    Machines().check_replicas({"anything": "goes"})
    monkeypatch.setattr(Machines, "all_equal", lambda _, text: text != "odd")
    with pytest.raises(InputError, match="the base model is not the same"):
        Machines(0, 2).check_replicas({"the settings": "even", "the base model": "odd"})
