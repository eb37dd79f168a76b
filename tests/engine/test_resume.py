"""Invariant 4: stop anywhere, go on later, and nothing differs from a run that never stopped."""

import json
import random
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import mlx.core as mx
import pytest

from app.core.config.training_config import TierConfig, TrainingConfig
from app.core.errors import InputError
from app.core.events import (
    CheckpointSaved,
    Event,
    LogMessage,
    RunFinished,
    RunStarted,
    StepFinished,
)
from app.engine.training.checkpoints import Checkpoint, last_checkpoint, load_checkpoint
from app.engine.training.trainer import resume, train
from app.library.run.manifest import read_manifest, write_manifest
from app.library.run.metrics import read_events, read_steps
from tests.conftest import write_chats
from tests.engine.step_events import without_time
from tests.patience import PATIENCE_SECONDS

STEPS = 12
"""Two epochs, in which the slowest tier moves once."""


@pytest.fixture(scope="module")
def whole_config(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> TrainingConfig:
    """Four tiers, dropout, accumulation, warm-up and cosine: everything that must be restored."""
    folder = tmp_path_factory.mktemp("whole")
    write_chats(folder / "chats.jsonl", 40)
    return TrainingConfig(
        model=tiny_model,
        data=folder / "chats.jsonl",
        output=folder / "whole",
        tiers=tuple(TierConfig(p) for p in (1, 2, 4, 8)),
        steps=STEPS,
        batch_size=3,
        grad_accumulation_steps=2,
        dropout=0.1,
        rank=2,
        learning_rate=1e-2,
        warmup_steps=3,
        steps_per_eval=5,
        steps_per_save=4,
    )


@pytest.fixture(scope="module")
def whole(whole_config: TrainingConfig) -> dict[int, StepFinished]:
    """The steps of the run that never stopped; its folder isn't written to any more."""
    return facts(train(whole_config))


@pytest.fixture
def config(whole_config: TrainingConfig, tmp_path: Path) -> TrainingConfig:
    """The same run, elsewhere."""
    return replace(whole_config, output=tmp_path / "run")


def folder_of(config: TrainingConfig) -> Path:
    assert config.output is not None
    return config.output


def facts(events: Iterator[Event]) -> dict[int, StepFinished]:
    """The steps without what the clock decides."""
    return {e.step: without_time(e) for e in events if isinstance(e, StepFinished)}


def recorded(run_dir: Path) -> tuple[list[Any], list[dict[str, Any]]]:
    """The steps on disk without what the clock decides, and the validations."""
    clock = ("seconds", "tokens_per_second", "peak_memory_bytes", "crc")
    rows = read_steps(run_dir).rows
    columns = [rows[name].tolist() for name in rows.dtype.names if name not in clock]
    events = read_events(run_dir)
    return columns, [e for e in events if e["event"] == "evaluation_finished"]


def arrays(checkpoint: Checkpoint) -> dict[str, Any]:
    state = {
        f"{kind}/{tier}": array
        for kind, part in enumerate(checkpoint.state.tree())
        for tier, array in enumerate(part)
    }
    return checkpoint.adapter | state


def assert_same_end(one: Path, other: Path, steps: int = STEPS) -> None:
    first, second = (load_checkpoint(last_checkpoint(run)) for run in (one, other))
    assert first.progress.step == second.progress.step == steps
    assert first.progress.random_state == second.progress.random_state
    a, b = arrays(first), arrays(second)
    assert set(a) == set(b)
    assert all(mx.array_equal(a[name], b[name]) for name in a)
    assert recorded(one) == recorded(other)


def stop_and_resume(config: TrainingConfig, cut: int) -> dict[int, StepFinished]:
    steps = facts(train(config, stop_after=cut))
    return steps | facts(resume(folder_of(config)))


# The first step, a checkpoint, a validation, the second epoch, the last step but one.
@pytest.mark.parametrize("cut", [1, 4, 5, 9, STEPS - 1])
def test_a_run_cut_anywhere_resumes_bit_equal(
    config: TrainingConfig, whole_config: TrainingConfig, whole: dict[int, StepFinished], cut: int
) -> None:
    assert stop_and_resume(config, cut) == whole
    assert_same_end(folder_of(whole_config), folder_of(config))


@pytest.mark.slow
def test_every_cut_of_a_run_is_without_effect(
    whole_config: TrainingConfig, whole: dict[int, StepFinished], tmp_path: Path
) -> None:
    for cut in range(1, STEPS):
        config = replace(whole_config, output=tmp_path / f"cut-{cut}")
        assert stop_and_resume(config, cut) == whole, cut
        assert_same_end(folder_of(whole_config), folder_of(config))


def test_a_run_cut_twice_resumes_too(
    config: TrainingConfig, whole: dict[int, StepFinished]
) -> None:
    steps = facts(train(config, stop_after=3))
    steps |= facts(resume(folder_of(config), stop_after=7))
    steps |= facts(resume(folder_of(config)))
    assert steps == whole


@pytest.fixture
def whole_copy(
    whole_config: TrainingConfig, whole: dict[int, StepFinished], tmp_path: Path
) -> Path:
    """Of the folder of the run that never stopped."""
    return shutil.copytree(folder_of(whole_config), tmp_path / "copy")


def test_a_run_can_resume_from_an_earlier_checkpoint(
    whole_copy: Path, whole: dict[int, StepFinished]
) -> None:
    again = facts(resume(whole_copy, checkpoint="step-000008", stop_after=10))
    assert again == {step: whole[step] for step in (9, 10)}
    assert list(read_steps(whole_copy).steps) == list(range(1, 11))


def test_resuming_from_an_earlier_checkpoint_loses_nothing(
    whole_copy: Path, whole: dict[int, StepFinished]
) -> None:
    before = recorded(whole_copy)
    checkpoints = {folder.name for folder in (whole_copy / "checkpoints").iterdir()}
    again = facts(resume(whole_copy, checkpoint="step-000004"))
    assert again == {step: whole[step] for step in range(5, STEPS + 1)}
    assert recorded(whole_copy) == before
    aside = whole_copy / "checkpoints" / "set-aside-1"
    kept = {folder.name for folder in aside.iterdir()}
    assert kept == (checkpoints - {"step-000004"}) | {"metrics.bin", "events.jsonl"}
    assert recorded(aside) == before


def test_a_run_in_training_is_not_resumed(config: TrainingConfig) -> None:
    events = train(replace(config, steps=4))
    next(e for e in events if isinstance(e, StepFinished) and e.step == 2)
    with pytest.raises(InputError, match="is being trained now"):
        next(resume(folder_of(config)))
    events.close()  # type: ignore[attr-defined]
    assert isinstance(list(resume(folder_of(config)))[-1], RunFinished)


def test_stopping_at_a_past_step_is_refused(stopped: Path, config: TrainingConfig) -> None:
    with pytest.raises(InputError, match="has made 9 steps already"):
        list(resume(stopped, stop_after=9))
    with pytest.raises(InputError, match="can't stop after step 0"):
        list(train(replace(config, output=None), stop_after=0))


# -- killed ------------------------------------------------------------------------------------


CHANGES = 500
"""Of files, by the first seven steps or so."""


def kill_at_random(
    config: TrainingConfig, run_dir: Path, luck: random.Random, at_most: int = 1000
) -> int:
    """Train in a process that dies at a random change of a file, and again in one that resumes
    it; how often it died."""
    settings = run_dir.with_suffix(".toml")
    settings.write_text(
        f'model = "{config.model}"\ndata = "{config.data}"\ntiers = [1, 2, 4, 8]\nsteps = {STEPS}\n'
        "batch_size = 3\ngradient_accumulation = 2\ndropout = 0.1\nrank = 2\n"
        "learning_rate = 1e-2\nwarmup_steps = 3\nsteps_per_eval = 5\nsteps_per_save = 2\n"
    )
    start = ["train", "--config", str(settings), "--output", str(run_dir), "--json"]
    kills = 0
    while True:
        change = luck.randrange(1, CHANGES) if kills < at_most else 0
        ended = subprocess.run(
            [sys.executable, "-m", "tests.engine.killed_run", str(change), *start],
            capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False,
        )  # fmt: skip
        errors = ended.stderr
        if ended.returncode == 0 or "steps are done" in errors:  # killed after its last step
            return kills
        assert ended.returncode == -signal.SIGKILL, errors
        kills += 1
        assert "Traceback" not in errors
        if (run_dir / "checkpoints").is_dir() and list(
            (run_dir / "checkpoints").glob("step-*[0-9]")
        ):
            start = ["resume", str(run_dir), "--json"]
        elif run_dir.exists():
            run_dir.rename(run_dir.with_name(f"{run_dir.name}-{kills}"))


def test_a_killed_run_resumes_bit_equal(
    whole_config: TrainingConfig, whole: dict[int, StepFinished], tmp_path: Path
) -> None:
    assert kill_at_random(whole_config, tmp_path / "killed", random.Random(4), at_most=2) == 2
    assert_same_end(folder_of(whole_config), tmp_path / "killed")


@pytest.mark.slow
def test_a_hundred_kills_change_nothing(
    config: TrainingConfig, whole: dict[int, StepFinished], whole_config: TrainingConfig,
    tmp_path: Path,
) -> None:  # fmt: skip
    luck, kills, run = random.Random(0), 0, 0
    while kills < 100:
        run += 1
        kills += kill_at_random(config, tmp_path / f"killed-{run}", luck)
        assert_same_end(folder_of(whole_config), tmp_path / f"killed-{run}")


# -- refused -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def stopped_config(whole_config: TrainingConfig) -> TrainingConfig:
    return replace(
        whole_config, output=folder_of(whole_config).with_name("stopped"), steps=10,
        grad_accumulation_steps=1, steps_per_eval=6, steps_per_save=6,
    )  # fmt: skip


@pytest.fixture(scope="module")
def stopped_once(stopped_config: TrainingConfig) -> Path:
    list(train(stopped_config, stop_after=9))
    return folder_of(stopped_config)


@pytest.fixture
def stopped(stopped_once: Path, tmp_path: Path) -> Path:
    """A run of 10 steps with checkpoints at steps 6 and 9."""
    return shutil.copytree(stopped_once, tmp_path / "stopped")


def refusal(run_dir: Path, **options: Any) -> str:
    before = {p: p.read_bytes() for p in run_dir.rglob("*") if p.is_file()}
    with pytest.raises(InputError) as caught:
        list(resume(run_dir, **options))
    assert {p: p.read_bytes() for p in run_dir.rglob("*") if p.is_file()} == before
    return str(caught.value)


def test_a_run_deleted_while_it_prepares_to_resume_is_refused_in_a_sentence(stopped: Path) -> None:
    events = resume(stopped)
    next(events)
    shutil.rmtree(stopped)
    with pytest.raises(InputError, match="can no longer be read"):
        list(events)


@pytest.mark.parametrize(
    "name",
    ["adapters.safetensors", "optimizer.safetensors", "state.json", "adapter_config.json"],
)
@pytest.mark.parametrize("fault", ["missing", "truncated", "empty", "flipped"])
def test_a_damaged_checkpoint_is_refused_by_name_and_the_one_before_offered(
    stopped: Path, name: str, fault: str
) -> None:
    path = last_checkpoint(stopped) / name
    content = path.read_bytes()
    match fault:
        case "missing":
            path.unlink()
        case "truncated":
            path.write_bytes(content[: len(content) // 2])
        case "empty":
            path.write_bytes(b"")
        case "flipped":
            middle = len(content) // 2
            path.write_bytes(
                content[:middle] + bytes([content[middle] ^ 4]) + content[middle + 1 :]
            )
    if name == "state.json" and fault == "flipped" and _same_json(path, content):
        pytest.skip("the flipped bit is in a space")
    sentence = refusal(stopped)
    assert "step-000009 can't be used" in sentence
    assert "step-000006" in sentence
    ended = list(resume(stopped, checkpoint="step-000006", stop_after=7))[-1]
    assert isinstance(ended, RunFinished)
    assert (ended.outcome, ended.steps) == ("stopped", 7)


def _same_json(path: Path, content: bytes) -> bool:
    try:
        return bool(json.loads(path.read_bytes()) == json.loads(content))
    except ValueError:
        return False


def test_a_half_written_checkpoint_is_not_resumed(stopped: Path) -> None:
    torn = stopped / "checkpoints" / "step-000010.partial"
    torn.mkdir()
    (torn / "adapters.safetensors").write_bytes(b"half")
    assert last_checkpoint(stopped).name == "step-000009"


def test_a_dataset_that_changed_is_refused(config: TrainingConfig, chat_file: Path) -> None:
    list(train(replace(config, data=chat_file), stop_after=1))
    with chat_file.open("a") as file:
        file.write('{"text": "one more"}\n')
    assert "changed after this run began" in refusal(folder_of(config))


def test_a_changed_question_set_is_named_and_the_run_resumes(
    config: TrainingConfig, tmp_path: Path
) -> None:
    questions, output = tmp_path / "quiz.jsonl", folder_of(config)
    write_chats(questions, 4)
    list(train(replace(config, steps=3, eval_sets=(questions,)), stop_after=1))
    aside = {name: tmp_path / name for name in ("same", "changed", "unknown")}
    for folder in aside.values():
        shutil.copytree(output, folder)

    def question_messages(folder: Path) -> list[LogMessage]:
        return [
            event
            for event in resume(folder, stop_after=2)
            if isinstance(event, LogMessage) and "questions" in event.text
        ]

    assert question_messages(aside["same"]) == []
    manifest = read_manifest(aside["unknown"])
    del manifest["question_data"]  # as an older Nestling wrote it
    write_manifest(aside["unknown"], manifest)
    (unknown,) = question_messages(aside["unknown"])
    assert "This run didn't record its questions" in unknown.text
    questions.write_text("".join(questions.read_text().splitlines(keepends=True)[1:]))
    (changed,) = question_messages(aside["changed"])
    assert changed.is_warning
    assert "(quiz.jsonl), so its scores before and after are for different" in changed.text


def test_a_run_that_is_done_is_refused(whole_copy: Path) -> None:
    assert f"all {STEPS} steps are done" in refusal(whole_copy)


def test_a_run_killed_after_its_last_checkpoint_ends_as_if_it_had_not_been(
    config: TrainingConfig, tmp_path: Path
) -> None:
    write_chats(tmp_path / "quiz.jsonl", 4)
    config = replace(
        config, steps=5, eval_sets=(tmp_path / "quiz.jsonl",), output=tmp_path / "whole"
    )
    killed = tmp_path / "killed"
    for event in train(config):
        if isinstance(event, CheckpointSaved) and event.step == config.steps:
            shutil.copytree(tmp_path / "whole", killed)  # as a kill would leave it
    assert read_manifest(killed)["outcome"] == "running"
    events = list(resume(killed))
    assert [type(event) for event in events].count(StepFinished) == 0
    assert_same_end(tmp_path / "whole", killed, steps=5)
    one, other = (read_manifest(run_dir) for run_dir in (tmp_path / "whole", killed))
    assert [score["when"] for score in other["scores"]] == ["before", "after"]
    names = ("outcome", "message", "steps", "scores", "adapter")
    assert {name: one[name] for name in names} == {name: other[name] for name in names}
    assert "is done" in refusal(killed)


@pytest.mark.parametrize("name", ["step-000007", "../checkpoints/step-000006"])
def test_a_checkpoint_that_the_run_does_not_have_is_refused_with_those_it_has(
    stopped: Path, name: str
) -> None:
    message = refusal(stopped, checkpoint=name)
    assert f"has no checkpoint '{name}'. Its checkpoints are step-000006, step-000009." in message


def test_a_folder_without_a_run_is_refused(tmp_path: Path) -> None:
    (tmp_path / "holiday").mkdir()
    assert "is not a run" in refusal(tmp_path / "holiday")


def test_a_run_without_a_checkpoint_is_refused(config: TrainingConfig) -> None:
    killed = folder_of(config).with_name("killed")
    for event in train(config, stop_after=1):
        if isinstance(event, RunStarted):
            shutil.copytree(folder_of(config), killed)  # as a kill would leave it
    assert "no checkpoint to resume from" in refusal(killed)


def test_another_runs_checkpoint_is_refused(stopped: Path, stopped_config: TrainingConfig) -> None:
    other = replace(stopped_config, rank=4, output=stopped.with_name("other"))
    list(train(other, stop_after=9))
    foreign = last_checkpoint(stopped.with_name("other"))
    mine = last_checkpoint(stopped)
    for file in foreign.iterdir():
        (mine / file.name).write_bytes(file.read_bytes())
    sentence = refusal(stopped)
    assert "it belongs to another run" in sentence
    assert "step-000006" in sentence


@pytest.mark.parametrize("seed", [0, 1])
def test_a_checkpoint_of_a_run_that_differs_in_its_seed_or_in_nothing_is_refused(
    stopped: Path, stopped_config: TrainingConfig, seed: int
) -> None:
    other = replace(stopped_config, output=stopped.with_name("other"), seed=seed)
    list(train(other, stop_after=int(last_checkpoint(stopped).name[5:])))
    place = last_checkpoint(stopped)
    shutil.rmtree(place)
    shutil.copytree(last_checkpoint(stopped.with_name("other")), place)
    assert f"{place.name} can't be used: it belongs to another run" in refusal(stopped)


def test_the_manifest_of_a_resumed_run_is_complete(stopped: Path) -> None:
    assert read_manifest(stopped)["outcome"] == "stopped"
    list(resume(stopped))
    manifest = read_manifest(stopped)
    assert (manifest["outcome"], manifest["steps"]) == ("finished", 10)
    assert stopped / manifest["adapter"] == last_checkpoint(stopped)


def test_a_copy_under_a_later_name_is_not_resumed(
    config: TrainingConfig, whole_config: TrainingConfig, whole: dict[int, StepFinished]
) -> None:
    cut = folder_of(config)
    list(train(config, stop_after=9))
    copy = cut / "checkpoints" / "step-000011"
    shutil.copytree(cut / "checkpoints" / "step-000004", copy)
    with pytest.raises(InputError, match="step-000011 can't be used: it is a copy of step 4"):
        list(resume(cut, checkpoint=copy.name))
    assert last_checkpoint(cut).name == "step-000009"
    assert facts(resume(cut)) == {step: e for step, e in whole.items() if step > 9}
    assert_same_end(folder_of(whole_config), cut)


def test_a_run_that_keeps_best_and_last_keeps_any_possible_best_after_lost_evidence(
    config: TrainingConfig,
) -> None:
    run = folder_of(config)
    best_and_last = replace(
        config, steps=20, grad_accumulation_steps=1, keep_checkpoints="best-and-last",
        steps_per_eval=4, steps_per_save=4,
    )  # fmt: skip
    for event in train(best_and_last):
        if isinstance(event, CheckpointSaved) and event.step == 4:
            path = run / "events.jsonl"
            path.write_text(
                path.read_text().replace('"step":4,"val_loss":', '"step":4,"val_loss":1')
            )
    kept = {folder.name for folder in (run / "checkpoints").iterdir()}
    assert "step-000004" in kept
    losses = {e["step"]: e["val_loss"] for e in read_events(run) if "val_loss" in e}
    assert 4 not in losses
    best = min(set(losses) - {0}, key=lambda step: losses[step])
    assert kept == {"step-000004", f"step-{best:06d}", "step-000020"}
