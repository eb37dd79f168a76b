"""The forgetting meter: what it measures, and that a run is the same with and without it."""

from dataclasses import dataclass, replace
from pathlib import Path

import mlx.core as mx
import pytest
from mlx_lm.utils import load_model

from app.cli.commands import run as run_command
from app.core.config.training_config import TrainingConfig
from app.core.events import LogMessage, RetentionMeasured, RunFinished, StageChanged
from app.core.files.paths import general_text_file, starter_model_dir
from app.core.progress import drain
from app.engine.clocks import general_text
from app.engine.clocks.general_text import open_general_text
from app.engine.evaluation import forgetting_meter
from app.engine.evaluation.forgetting_meter import open_retention_texts
from app.engine.model.loading import load_base_model
from app.engine.training.checkpoints import last_checkpoint
from app.engine.training.trainer import resume, train
from app.library.reading.run_details import read_details
from app.library.run.layout import ADAPTER_FILE
from app.library.run.manifest import read_manifest
from app.library.run.metrics import read_steps
from tests.conftest import write_chats
from tests.engine.plain_trainer import adapted
from tests.engine.retention_measures import measured, plain_divergence, with_short_texts


@pytest.fixture(scope="module")
def whole_config(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> TrainingConfig:
    folder = tmp_path_factory.mktemp("whole")
    write_chats(folder / "chats.jsonl", 40)
    return TrainingConfig(
        model=tiny_model, data=folder / "chats.jsonl", output=folder / "run", steps=6, rank=4,
        learning_rate=1e-2, steps_per_eval=2, steps_per_save=2, dropout=0.1,
        measure_forgetting=True,
    )  # fmt: skip


@dataclass(frozen=True)
class Whole:
    """A run from its start to its end; nothing is written into its folder."""

    run: Path
    measured: list[RetentionMeasured]


@pytest.fixture(scope="module")
def whole(whole_config: TrainingConfig) -> Whole:
    run = whole_config.output or Path()
    with pytest.MonkeyPatch.context() as patch:
        with_short_texts(patch, run.parent)
        return Whole(run, measured(list(train(whole_config))))


@pytest.fixture
def config(
    whole_config: TrainingConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> TrainingConfig:
    """The same run, elsewhere."""
    with_short_texts(monkeypatch, tmp_path)
    return replace(whole_config, output=tmp_path / "run")


def test_it_is_the_divergence_from_the_base_by_the_models_own_code(config: TrainingConfig) -> None:
    config = replace(config, steps=4, steps_per_eval=10)
    last = measured(list(train(config)))[-1]
    texts = drain(open_retention_texts(config, load_base_model(config.model), 320))
    assert texts is not None
    base, _ = load_model(config.model)
    tuned = adapted(config.model, last_checkpoint(config.output or Path()))
    batches = list(texts.last.once())
    total = sum(plain_divergence(base, tuned, batch).item() for batch in batches)
    assert last.is_last
    assert last.base_kl > 1e-3
    assert last.base_kl == pytest.approx(total / sum(b.trained_tokens for b in batches), rel=1e-3)


def test_it_starts_at_0_and_is_taken_at_each_validation_and_kept(whole: Whole) -> None:
    found = whole.measured
    assert [one.step for one in found] == [0, 2, 4, 6, 6]
    assert [one.is_last for one in found] == [False] * 4 + [True]
    assert found[0].base_kl == pytest.approx(0, abs=1e-6)
    assert read_details(whole.run).retention == tuple(found)
    assert read_manifest(whole.run)["base_kl"] == found[-1].base_kl


def test_a_run_that_continues_begins_with_the_figure_that_the_other_ended_with(
    config: TrainingConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forgetting_meter, "MIN_ROWS", 1)
    monkeypatch.setattr(forgetting_meter, "SHARE", 0.5)
    before = measured(list(train(config)))
    assert before[-1].texts > before[-2].texts
    following = replace(config, adapter=config.output, output=tmp_path / "following")
    after = measured(list(train(following)))
    assert (after[0].step, after[0].texts) == (0, before[-1].texts)
    assert after[0].base_kl == pytest.approx(before[-1].base_kl, rel=1e-4)
    assert after[1].texts == before[1].texts  # the curve continues with as few as before


def test_a_run_is_bit_equal_with_and_without_it(config: TrainingConfig, whole: Whole) -> None:
    assert whole.measured
    assert not measured(list(train(replace(config, measure_forgetting=False))))
    runs = (whole.run, config.output or Path())
    one, two = (mx.load(str(last_checkpoint(run) / ADAPTER_FILE)) for run in runs)
    assert all(mx.array_equal(one[name], two[name]).item() for name in one)
    rows = [read_steps(run).rows["loss"].tolist() for run in runs]
    assert rows[0] == rows[1]


def test_a_resumed_run_has_each_measurement_once(config: TrainingConfig, whole: Whole) -> None:
    list(train(config, stop_after=4))
    list(resume(config.output or Path()))
    assert read_details(config.output or Path()).retention == tuple(whole.measured)


def test_lessons_and_the_meter_share_no_text() -> None:
    """Chats and passages are the same texts, and there are enough of them."""
    for is_chat in (True, False):
        rows = [
            general_text_file(use, is_chat=is_chat).read_text(encoding="utf-8").splitlines()
            for use in ("lessons", "meter")
        ]
        assert (len(set(rows[0])), len(set(rows[1]))) == (128, 32)
        assert not set(rows[0]) & set(rows[1])


def test_the_starter_reads_the_texts_as_chats() -> None:
    base = load_base_model(starter_model_dir())
    for use, least in (("lessons", 120), ("meter", 30)):
        view = drain(open_general_text(base, use))
        assert len(view) >= least
        assert 0 < view.trained_tokens < view.lengths.sum()


def test_a_stop_while_it_measures_takes_effect_and_the_run_can_resume(
    config: TrainingConfig,
) -> None:
    asked = False

    def should_stop() -> bool:
        return asked

    events = []
    for event in train(config, should_stop=should_stop):
        events.append(event)
        asked |= isinstance(event, StageChanged) and event.stage == "Measuring forgetting" and any(
            isinstance(e, RetentionMeasured) and e.step == 4 for e in events
        )  # fmt: skip
    assert isinstance(events[-1], RunFinished)
    assert events[-1].outcome == "stopped"
    *_, end = resume(config.output or Path())
    assert isinstance(end, RunFinished)
    assert end.outcome == "finished"
    steps = [one.step for one in read_details(config.output or Path()).retention]
    assert steps == [0, 2, 4, 6, 6]


def test_a_model_that_can_not_read_the_texts_is_trained_with_a_warning(
    config: TrainingConfig, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    empty = tmp_path / "empty.jsonl"
    empty.write_text("")
    monkeypatch.setattr(general_text, "general_text_file", lambda *_, **__: empty)
    events = list(train(config))
    warnings = [
        event.text for event in events if isinstance(event, LogMessage) and event.is_warning
    ]
    assert any(text.startswith("Forgetting is not measured: ") for text in warnings)
    assert isinstance(events[-1], RunFinished)
    assert events[-1].outcome == "finished"


def test_show_names_the_clocks_and_the_change_from_the_base(
    config: TrainingConfig, capsys: pytest.CaptureFixture[str]
) -> None:
    list(train(replace(config, slow_every=2, steps=2)))
    assert run_command(["show", str(config.output)], lambda _: 0) == 0
    out = capsys.readouterr().out
    assert "  slow clock  every 2 steps, 32 texts\n" in out
    (line,) = [line for line in out.splitlines() if line.startswith("  from base   ")]
    last = read_details(config.output or Path()).retention[-1]
    assert line == (f"  from base   {last.base_kl:.4g} nats per token, on {last.texts} texts")
