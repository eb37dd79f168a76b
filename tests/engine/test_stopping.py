"""A run is stopped between any two batches, whatever it does there, and nothing differs later."""

import multiprocessing
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import mlx.core as mx
import pytest

from app.cli.event_output import TerminalProgress
from app.core.config.training_config import TierConfig, TrainingConfig
from app.core.events import (
    EvaluationFinished,
    Event,
    RunFinished,
    RunStarted,
    ScoreMeasured,
    StageChanged,
    StepFinished,
    to_json,
)
from app.core.system.interruption import StoppedEarly
from app.data.files import fingerprint
from app.engine.evaluation.evaluation import Evaluator
from app.engine.memory import preflight
from app.engine.training.checkpoints import last_checkpoint, load_checkpoint
from app.engine.training.trainer import resume, train
from app.library.run.manifest import read_manifest, write_manifest
from app.library.run.metrics import read_events, read_steps
from tests.conftest import write_chats

STEPS = 6


@pytest.fixture(scope="module")
def whole_config(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> TrainingConfig:
    """Validations of two batches, and questions before and after."""
    folder = tmp_path_factory.mktemp("whole")
    data, questions = folder / "letters.jsonl", folder / "chats.jsonl"
    write_chats(data, 20)
    write_chats(questions, 6)
    return TrainingConfig(
        model=tiny_model, data=data, output=folder / "run", steps=STEPS, batch_size=2,
        rank=2, tiers=(TierConfig(1), TierConfig(2)), dropout=0.1, learning_rate=1e-2,
        validation_split=0.2, steps_per_eval=2, steps_per_save=3, eval_sets=(questions,),
    )  # fmt: skip


@dataclass(frozen=True)
class Whole:
    """A run from its start to its end; nothing is written into its folder."""

    run: Path
    events: list[Event]


@pytest.fixture(scope="module")
def whole(whole_config: TrainingConfig) -> Whole:
    assert whole_config.output is not None
    return Whole(whole_config.output, list(train(whole_config)))


@pytest.fixture
def config(whole_config: TrainingConfig, tmp_path: Path) -> TrainingConfig:
    """The same run, elsewhere."""
    return replace(whole_config, output=tmp_path / "run")


class Stop:
    """Asks to stop in a stage that follows a step, after so many batches more than one."""

    def __init__(self, stage: str, step: int, batches: int) -> None:
        self._there, self._left = (stage, step), batches
        self._stage, self._step = "", 0
        self.is_asked = False

    def __call__(self) -> bool:
        if (self._stage, self._step) == self._there:
            self._left -= 1
            self.is_asked = self.is_asked or self._left < 0
        return self.is_asked

    def note(self, event: Event) -> None:
        if isinstance(event, StageChanged):
            self._stage = event.stage
        elif isinstance(event, StepFinished):
            self._stage, self._step = "", event.step


def stopped(config: TrainingConfig, stage: str, step: int, batches: int = 0) -> list[Event]:
    """The events of a run that is asked to stop there."""
    stop, events = Stop(stage, step, batches), []
    for event in train(config, should_stop=stop):
        stop.note(event)
        events.append(event)
    assert stop.is_asked
    return events


def closed(config: TrainingConfig, stage: str, step: int) -> list[Event]:
    """The same where its generator is closed in that stage, as the window does when it ends."""
    running, events, done = train(config), [], 0
    for event in running:
        events.append(event)
        done = event.step if isinstance(event, StepFinished) else done
        if isinstance(event, StageChanged) and (event.stage, done) == (stage, step):
            break
    running.close()  # type: ignore[attr-defined]
    return events


def ending(events: list[Event]) -> RunFinished:
    assert isinstance(events[-1], RunFinished)
    return events[-1]


def recorded(run_dir: Path) -> list[object]:
    """The run on disk: its steps but for what the clock decides, its validations, its ending."""
    clock = ("seconds", "tokens_per_second", "peak_memory_bytes", "crc")
    rows = read_steps(run_dir).rows
    manifest = read_manifest(run_dir)
    return [
        *(rows[name].tolist() for name in rows.dtype.names if name not in clock),
        [e for e in read_events(run_dir) if e["event"] == "evaluation_finished"],
        *(manifest[name] for name in ("outcome", "message", "best_val_loss", "best_adapter")),
        manifest["scores"],
    ]


def assert_same_end(one: Path, other: Path) -> None:
    assert recorded(one) == recorded(other)
    a, b = (load_checkpoint(last_checkpoint(run_dir)) for run_dir in (one, other))
    assert a.progress.random_state == b.progress.random_state
    assert all(mx.array_equal(a.adapter[name], b.adapter[name]) for name in a.adapter)
    progress = (a.progress.best_step, a.progress.evals_since_best)
    assert progress == (b.progress.best_step, b.progress.evals_since_best)


CHATS = "Asking the questions of “chats”"


@pytest.mark.parametrize(
    ("stage", "step"), [("Validating", 2), ("Validating", 4), ("Validating", STEPS), (CHATS, STEPS)]
)
def test_interrupted_work_is_caught_up_and_nothing_else_differs(
    config: TrainingConfig, whole: Whole, tmp_path: Path, stage: str, step: int
) -> None:
    cut = stopped(config, stage, step)
    end = ending(cut)
    assert (end.outcome, end.steps) == ("stopped", step)
    assert end.adapter_dir is not None
    assert end.adapter_dir.name == f"step-00000{step}"
    assert step not in [e.step for e in cut if stage == "Validating" and is_validation(e)]
    again = list(resume(config.output))  # type: ignore[arg-type]
    made = [e for e in [*cut, *again] if is_validation(e)]
    assert made == [e for e in whole.events if is_validation(e)]
    assert ending(again).outcome == "finished"
    if step < STEPS:  # the last checkpoint doesn't mention a validation that followed it
        assert_same_end(whole.run, tmp_path / "run")
    else:
        assert recorded(whole.run) == recorded(tmp_path / "run")


def is_validation(event: Event) -> bool:
    return isinstance(event, EvaluationFinished)


def test_a_stop_in_a_validation_takes_effect_after_one_batch(
    config: TrainingConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    batches = []
    loss = Evaluator._loss
    monkeypatch.setattr(Evaluator, "_loss", lambda *of: batches.append(0) or loss(*of))
    config = replace(config, eval_sets=())
    list(train(replace(config, output=config.output.with_name("whole"))))  # type: ignore[union-attr]
    each = len(batches) // 4  # before the first step, and after steps 2, 4 and 6
    assert each == 2
    batches.clear()
    assert "before its validation was done" in ending(stopped(config, "Validating", 2)).message
    assert len(batches) == each + 1


def test_a_validation_that_is_cut_off_again_and_again_stays_due(
    config: TrainingConfig, whole: Whole, tmp_path: Path
) -> None:
    stopped(config, "Validating", 4)
    for _ in range(2):
        end = ending(list(resume(tmp_path / "run", should_stop=lambda: True)))
        assert (end.outcome, end.steps) == ("stopped", 4)
        resumed, seen = resume(tmp_path / "run"), None
        while not (isinstance(seen, StageChanged) and seen.stage == "Validating"):
            seen = next(resumed)
        resumed.close()  # type: ignore[attr-defined]
        assert load_checkpoint(last_checkpoint(tmp_path / "run")).progress.is_validation_due
    list(resume(tmp_path / "run"))
    assert_same_end(whole.run, tmp_path / "run")


def test_a_caught_up_validation_is_reported_once_even_after_a_kill(
    config: TrainingConfig, whole: Whole, tmp_path: Path
) -> None:
    stopped(config, "Validating", 2)
    resumed = resume(tmp_path / "run")
    while not is_validation(next(resumed)):
        pass
    next(resumed)  # it is on the disk
    list(resume(copied(tmp_path / "run", tmp_path / "killed")))
    resumed.close()  # type: ignore[attr-defined]
    assert_same_end(whole.run, tmp_path / "killed")


def copied(run_dir: Path, to: Path) -> Path:
    shutil.copytree(run_dir, to)
    return to


def test_a_run_closed_in_a_validation_resumes_like_a_stopped_one(
    config: TrainingConfig, whole: Whole, tmp_path: Path
) -> None:
    closed(config, "Validating", 2)
    assert "before its validation was done" in read_manifest(tmp_path / "run")["message"]
    list(resume(tmp_path / "run"))
    assert_same_end(whole.run, tmp_path / "run")


def test_a_run_that_ends_early_ends_there_also_if_the_deciding_validation_was_cut_off(
    config: TrainingConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Losses 3, 2, 2.5, 2.6: with two without a new best it ends at step 6 of 20."""
    config = replace(config, steps=20, early_stopping_patience=2, eval_sets=())
    losses: Iterator[float] = iter(())

    def mean_loss(_: Evaluator, __: object) -> Iterator[float]:
        yield 0.5
        return next(losses)

    monkeypatch.setattr(Evaluator, "mean_loss", mean_loss)
    losses = iter((3.0, 2.0, 2.5, 2.6))
    list(train(replace(config, output=tmp_path / "whole")))
    losses = iter((3.0, 2.0, 2.5, 2.6))
    assert ending(stopped(config, "Validating", 6)).outcome == "stopped"
    assert ending(list(resume(tmp_path / "run"))).message.startswith("Ended early at step 6: ")
    assert recorded(tmp_path / "whole") == recorded(tmp_path / "run")


@pytest.mark.parametrize("stops", [stopped, closed])
@pytest.mark.parametrize("stage", [CHATS, "Measuring memory", "Validating"])
def test_a_run_stopped_before_its_first_step_leaves_nothing(
    config: TrainingConfig,
    monkeypatch: pytest.MonkeyPatch,
    stage: str,
    stops: Callable[..., list[Event]],
) -> None:
    monkeypatch.setattr("app.engine.training.loop.uses_compile", lambda: True)
    events = stops(replace(config, grad_checkpoint=True), stage, 0)
    assert config.output is not None
    assert not config.output.exists()
    if stops is stopped:
        end = ending(events)
        assert (end.outcome, end.adapter_dir, end.steps) == ("stopped", None, 0)
        assert end.message == "Stopped before the first step."


@pytest.mark.parametrize(
    "stage",
    [
        "Loading the model", "Tokenizing", "Measuring importance",
        "Reading the questions", "Estimating the memory",
    ],
)  # fmt: skip
def test_every_stage_before_a_run_can_be_stopped(config: TrainingConfig, stage: str) -> None:
    config = replace(config, assign="importance")
    events = stopped(config, stage, 0)
    assert ending(events).message == "Stopped before the first step."
    stages = [event.stage for event in events if isinstance(event, StageChanged)]
    assert stages[-1] == stage
    assert config.output is not None
    assert not config.output.exists()


@pytest.mark.parametrize(
    "stage",
    ["Hashing the dataset", "Loading the model", "Tokenizing"],
)
def test_every_stage_before_a_resumed_run_can_be_stopped(
    config: TrainingConfig, monkeypatch: pytest.MonkeyPatch, stage: str
) -> None:
    list(train(config, stop_after=2))
    monkeypatch.setattr(fingerprint, "_BLOCK_BYTES", 64)
    monkeypatch.setattr(fingerprint, "_STEP_BYTES", 64)
    stop, events = Stop(stage, 0, batches=1), []
    for event in resume(config.output, should_stop=stop):  # type: ignore[arg-type]
        stop.note(event)
        events.append(event)
    assert ending(events).message == "Stopped after step 2."
    assert [e.stage for e in events if isinstance(e, StageChanged)][-1] == stage


def test_a_run_can_be_stopped_while_an_endless_template_is_tried(
    config: TrainingConfig, tmp_path: Path
) -> None:
    model, loop = tmp_path / "endless", "{% for i in range(99999) %}"
    shutil.copytree(config.model, model)
    (model / "chat_template.jinja").write_text(f"{loop}{loop}{{% endfor %}}{{% endfor %}}")
    events = stopped(replace(config, model=model), "Trying the chat template", 0)
    assert ending(events).message == "Stopped before the first step."
    assert not multiprocessing.active_children()


def test_estimating_the_memory_is_stopped_before_the_next_way_of_training_is_traced(
    config: TrainingConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run that doesn't fit has many ways tried for the advice."""
    traced: list[object] = []
    need = preflight.memory_need

    def recording(*of: object) -> object:
        traced.append(of)
        return need(*of)  # type: ignore[arg-type]

    monkeypatch.setattr(preflight, "memory_need", recording)
    monkeypatch.setattr(preflight, "available_bytes", lambda: 2**20)
    with pytest.raises(StoppedEarly):
        preflight.estimate_memory(config, should_stop=lambda: len(traced) == 2)
    assert len(traced) == 2


def test_other_files_in_the_folder_of_a_run_that_leaves_nothing_stay(
    config: TrainingConfig,
) -> None:
    assert config.output is not None
    notes = config.output / "notes.txt"
    for event in train(config, should_stop=notes.exists):
        if isinstance(event, RunStarted):
            notes.write_text("mine")
    assert ending([event]).message == "Stopped before the first step."
    assert list(config.output.iterdir()) == [notes]


def test_an_output_folder_that_was_there_before_is_left(config: TrainingConfig) -> None:
    assert config.output is not None
    config.output.mkdir()
    stopped(config, "Validating", 0)
    assert list(config.output.iterdir()) == []


def test_a_stopped_run_asks_no_questions(config: TrainingConfig) -> None:
    events: list[Event] = []
    for event in train(config, should_stop=lambda: any(is_step(e) for e in events)):
        events.append(event)
    assert [e.when for e in events if isinstance(e, ScoreMeasured)] == ["before"]
    assert ending(events).message == "Stopped after step 1."


def test_a_resumed_run_reports_its_scores_from_before_it_stopped_too(
    config: TrainingConfig, capsys: pytest.CaptureFixture[str]
) -> None:
    first, _ = (e for e in train(config, stop_after=1) if isinstance(e, ScoreMeasured))
    assert config.output is not None
    show, events = TerminalProgress(), list(resume(config.output))
    for event in events:
        show(event)
    assert [e.done for e in events if isinstance(e, RunStarted)] == [1]
    before, after = (e for e in events if isinstance(e, ScoreMeasured))
    assert before == first
    assert f"{after.correct} of {after.total} right (before: {before.correct})" in (
        capsys.readouterr().out
    )
    assert read_manifest(config.output)["scores"] == [to_json(before), to_json(after)]


def test_a_run_resumes_though_somebody_edited_its_scores(config: TrainingConfig) -> None:
    list(train(config, stop_after=1))
    assert config.output is not None
    manifest = read_manifest(config.output) | {"scores": [1, {"when": "before"}]}
    write_manifest(config.output, manifest)
    assert ending(list(resume(config.output))).outcome == "finished"


def is_step(event: Event) -> bool:
    return isinstance(event, StepFinished)


def test_a_stage_reports_its_progress(
    config: TrainingConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.engine.runtime.stopping.SECONDS_BETWEEN_STAGES", 0.0)
    shares = [
        event.fraction
        for event in stopped(config, "Validating", 0, batches=1)
        if isinstance(event, StageChanged) and event.stage == "Validating"
    ]
    assert shares == [0.0, 0.5]
