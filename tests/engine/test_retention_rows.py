"""The forgetting meter reads the user's retention set and earlier runs' validation sets, and its
thresholds end a run or choose its best checkpoint."""

import csv
import json
import shutil
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import mlx.core as mx
import pytest
from mlx_lm.utils import load_model

from app.cli.commands import run as run_command
from app.core.config.training_config import TrainingConfig
from app.core.events import EvaluationFinished, Event, LogMessage, RetentionMeasured, RunFinished
from app.core.progress import drain
from app.data.files.dataset_files import find_files
from app.data.training_set.training_data import open_data_stream
from app.engine.batches.batches import BatchLoader
from app.engine.evaluation.evaluation import Evaluator
from app.engine.evaluation.validation_sample import first_of_draw
from app.engine.model.loading import load_base_model
from app.engine.training.checkpoints import last_checkpoint
from app.engine.training.dataset_opening import data_settings
from app.engine.training.trainer import resume, train
from app.library.reading.metrics_csv import export_csv
from app.library.reading.run_details import read_details
from app.library.run.layout import ADAPTER_FILE
from app.library.run.metrics import read_steps
from tests.conftest import write_chats
from tests.engine.plain_trainer import adapted
from tests.engine.retention_measures import measured, with_short_texts


@pytest.fixture
def first(tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TrainingConfig:
    """A run with rows held out; done."""
    with_short_texts(monkeypatch, tmp_path)
    write_chats(tmp_path / "first.jsonl", 30)
    config = TrainingConfig(
        model=tiny_model, data=tmp_path / "first.jsonl", output=tmp_path / "one", steps=2, rank=4,
        learning_rate=1e-2, validation_split=0.2, seed=3, name="Old facts",
    )  # fmt: skip
    list(train(config))
    return config


@pytest.fixture
def second(first: TrainingConfig, tmp_path: Path) -> TrainingConfig:
    """The run that continues it, with a retention set."""
    write_chats(tmp_path / "second.jsonl", 24)
    write_chats(tmp_path / "my_sums.jsonl", 12)
    return replace(
        first, data=tmp_path / "second.jsonl", output=tmp_path / "two", adapter=first.output,
        retention_set=tmp_path / "my_sums.jsonl", measure_forgetting=True, steps=4,
        steps_per_eval=2, steps_per_save=2, dropout=0.1, name="New facts",
    )  # fmt: skip


def test_it_is_the_loss_of_the_earlier_runs_held_out_rows(
    first: TrainingConfig, second: TrainingConfig
) -> None:
    found = measured(list(train(second)))
    assert [(one.step, [loss.name for loss in one.kept]) for one in found] == [
        (step, ["my sums", "Old facts"]) for step in (0, 2, 4, 4)
    ]
    base = load_base_model(first.model)
    settings = data_settings(first, base.limits, early_rows=0)
    rows = drain(open_data_stream(find_files(first.data or Path()), base.tokenizer, settings))
    held_out = first_of_draw(rows.valid, 16, seed=0)
    assert 0 < len(held_out) == len(rows.valid) < 16
    for folder, one in ((first.output, found[0]), (second.output, found[-1])):
        model = adapted(first.model, last_checkpoint(folder or Path()))
        expected = drain(Evaluator(model).mean_loss(BatchLoader(held_out, 4)))
        assert one.kept[1].val_loss == pytest.approx(expected, rel=1e-4)
    base_model, _ = load_model(first.model)
    unlike = drain(Evaluator(base_model).mean_loss(BatchLoader(held_out, 4)))
    assert abs(found[0].kept[1].val_loss - unlike) > 1e-3


def test_a_run_is_bit_equal_with_and_without_them(second: TrainingConfig, tmp_path: Path) -> None:
    assert measured(list(train(second)))[-1].kept
    plain = replace(second, retention_set=None, measure_forgetting=False, output=tmp_path / "plain")
    assert not measured(list(train(plain)))
    runs = (second.output or Path(), plain.output or Path())
    one, two = (mx.load(str(last_checkpoint(run) / ADAPTER_FILE)) for run in runs)
    assert all(mx.array_equal(one[name], two[name]).item() for name in one)
    rows = [read_steps(run).rows["loss"].tolist() for run in runs]
    assert rows[0] == rows[1]


def test_they_are_recorded_and_a_resumed_run_has_each_once(
    second: TrainingConfig, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = measured(list(train(replace(second, output=tmp_path / "whole"))))
    list(train(second, stop_after=2))
    list(resume(second.output or Path()))
    details = read_details(second.output or Path())
    assert details.retention == tuple(whole)
    retention = details.summary.retention
    assert retention is not None
    assert retention.total == 12  # asked exactly, before and after
    text = export_csv(details, tmp_path / "run.csv").read_text(encoding="utf-8")
    rows = list(csv.DictReader(text.splitlines()))
    assert [row["kept_loss Old facts"] for row in rows] == [
        str(whole[0].kept[1].val_loss), "", str(whole[1].kept[1].val_loss), "",
        str(whole[2].kept[1].val_loss),
    ]  # fmt: skip
    assert len(set(map(len, rows))) == 1
    capsys.readouterr()
    assert run_command(["show", str(second.output), "--json"], lambda _: 0) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["retention"][-1]["kept"][1]["val_loss"] == whole[-1].kept[1].val_loss
    assert shown["base_kl"] == whole[-1].base_kl
    assert run_command(["show", str(second.output)], lambda _: 0) == 0
    assert "kept        Loss of Old facts: " in capsys.readouterr().out


def test_an_earlier_run_that_is_gone_is_left_out_with_a_message(
    first: TrainingConfig, second: TrainingConfig, tmp_path: Path
) -> None:
    (first.data or Path()).unlink()
    events = list(train(second))
    assert [loss.name for loss in measured(events)[0].kept] == ["my sums"]
    assert "The validation set of “Old facts” is skipped" in " ".join(messages(events))
    list(train(replace(second, output=tmp_path / "three"), stop_after=2))
    shutil.rmtree(first.output or Path())
    events = list(resume(tmp_path / "three"))
    assert [loss.name for loss in measured(events)[-1].kept] == ["my sums"]
    assert "“Old facts” is not in the library" in " ".join(messages(events))


def test_an_adapter_from_elsewhere_has_no_validation_set_to_miss(
    first: TrainingConfig, second: TrainingConfig, tmp_path: Path
) -> None:
    found = last_checkpoint(first.output or Path())
    elsewhere = shutil.copytree(found, tmp_path / "elsewhere")
    events = list(train(replace(second, adapter=elsewhere)))
    assert [loss.name for loss in measured(events)[0].kept] == ["my sums"]
    assert "is not in the library" not in " ".join(messages(events))


def test_a_run_that_is_too_far_from_its_base_ends_and_is_finished(second: TrainingConfig) -> None:
    far = replace(second, max_base_kl=1e-6)
    events = list(train(far))
    ending = events[-1]
    assert isinstance(ending, RunFinished)
    assert (ending.outcome, ending.steps) == ("finished", 2)
    assert "nats per token, more than 1e-06." in ending.message
    assert not read_details(far.output or Path()).summary.can_resume


def test_a_run_that_was_killed_there_ends_when_it_is_resumed(second: TrainingConfig) -> None:
    far = replace(second, max_base_kl=1e-6)
    with closing(train(far)) as events:  # type: ignore[type-var]
        for event in events:
            if isinstance(event, RetentionMeasured) and event.step == 2:
                break
    ending = list(resume(far.output or Path()))[-1]
    assert isinstance(ending, RunFinished)
    assert (ending.outcome, ending.steps) == ("finished", 2)


def test_the_best_checkpoint_can_be_chosen_by_loss_and_forgetting(
    second: TrainingConfig, tmp_path: Path
) -> None:
    def best(config: TrainingConfig) -> tuple[list[EvaluationFinished], int]:
        events = list(train(config))
        steps = {c.step for c in read_details(config.output or Path()).checkpoints if c.is_best}
        return [e for e in events if isinstance(e, EvaluationFinished) and not e.is_last], *steps

    # The second half moves far for little loss.
    plain = replace(second, steps=8, retention_set=None)
    by_loss, best_by_loss = best(plain)
    assert best_by_loss == min(by_loss[1:], key=lambda e: e.val_loss).step == 8
    weighed = replace(plain, forgetting_weight=1e3, output=tmp_path / "weighed")
    by_score, best_by_score = best(weighed)
    assert [e.val_loss for e in by_score] == [e.val_loss for e in by_loss]
    kl = {one.step: one.base_kl for one in read_details(weighed.output or Path()).retention}
    assert [e.forgetting for e in by_score[:-1]] == pytest.approx(
        [1e3 * kl[e.step] for e in by_score[:-1]]
    )
    assert best_by_score == min(by_score[1:], key=lambda e: e.score).step < 8
    details = read_details(weighed.output or Path())
    assert not details.problem
    assert details.summary.best_val_loss == min(by_score, key=lambda e: e.score).val_loss


@pytest.mark.parametrize("name", ["max_base_kl", "forgetting_weight"])
def test_a_threshold_requires_the_meter(name: str) -> None:
    config = replace(TrainingConfig(), **{name: 0.5})
    assert [problem.setting for problem in config.problems()] == [name]
    assert not replace(config, measure_forgetting=True).problems()


def messages(events: list[Event]) -> list[str]:
    return [event.text for event in events if isinstance(event, LogMessage)]
