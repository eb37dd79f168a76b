"""The slow clock: lessons in what the base model knows, and that a lie about them stops the run."""

import math
import re
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import mlx.core as mx
import mlx.nn as nn
import numpy as np
import pytest
from mlx.utils import tree_flatten
from mlx_lm.utils import load_model

from app.core.config.learning_methods import LEARN_AND_KEEP, with_learning_method
from app.core.config.training_config import TierConfig, TrainingConfig
from app.core.errors import InputError
from app.core.events import Event, LogMessage, RunFinished, RunStarted, StepFinished
from app.core.progress import drain
from app.engine.adapter.adapter import BareModel
from app.engine.batches.batches import Batch
from app.engine.clocks import divergence
from app.engine.clocks import slow_clock as slow_module
from app.engine.clocks.slow_clock import Lesson, SlowClock, lesson_batch_size, open_slow_clock
from app.engine.model.loading import load_base_model
from app.engine.model.model_structure import trainable_parameters
from app.engine.tiers.assignment import make_plan
from app.engine.tiers.optimizer import TieredAdamW
from app.engine.training.checkpoints import last_checkpoint, load_checkpoint
from app.engine.training.gradients import BatchGradients
from app.engine.training.trainer import resume, train
from app.library.run.layout import ADAPTER_FILE, OPTIMIZER_FILE, checkpoint_folder
from app.library.run.metrics import read_steps
from tests.conftest import write_chats
from tests.engine.plain_trainer import adapted
from tests.engine.retention_measures import plain_divergence

STEPS, EVERY = 6, 2


@pytest.fixture
def config(tiny_model: Path, chat_file: Path, tmp_path: Path) -> TrainingConfig:
    return config_in(tmp_path, tiny_model, chat_file)


def config_in(folder: Path, model: Path, data: Path, dropout: float = 0.0) -> TrainingConfig:
    text = folder / "text.jsonl"
    write_chats(text, 12)
    return TrainingConfig(
        model=model, data=data, output=folder / "run", steps=STEPS, rank=4, dropout=dropout,
        learning_rate=1e-2, steps_per_eval=100, steps_per_save=3, slow_every=EVERY,
        slow_text=text, tiers=(TierConfig(1), TierConfig(2)),
    )  # fmt: skip


def clock(config: TrainingConfig) -> SlowClock:
    made = drain(open_slow_clock(config, load_base_model(config.model), 256))
    assert made is not None
    return made


def arrays(folder: Path, name: str = ADAPTER_FILE) -> dict[str, Any]:
    return mx.load(str(folder / name))  # type: ignore[return-value]


def steps(config: TrainingConfig) -> list[StepFinished]:
    return [event for event in train(config) if isinstance(event, StepFinished)]


VARIANTS: dict[str, dict[str, Any]] = {
    "lora": {},
    "dora": {"fine_tune_type": "dora"},
    "gradient checkpointing": {"grad_checkpoint": True},
    "accumulation": {"grad_accumulation_steps": 2, "batch_size": 2},
    "rank slices": {"assign": "rank"},
    "own AdamW": {"slow_rate": 0.5},
    "own AdamW, everything": {
        "slow_rate": 2.0, "fine_tune_type": "dora", "grad_checkpoint": True, "assign": "rank",
        "grad_accumulation_steps": 2, "batch_size": 2, "pending": "skip",
    },
}  # fmt: skip


@pytest.mark.parametrize("name", [*VARIANTS, "4-bit"])
def test_a_lesson_measures_the_divergence_from_the_base_before_its_update(
    config: TrainingConfig, name: str, make_model: Callable[..., Path]
) -> None:
    config = replace(config, steps=4, **VARIANTS.get(name, {}))
    if name == "4-bit":
        config = replace(config, model=make_model(bits=4))
    run, (found, *_) = config.output or Path(), [s.base_kl for s in steps(config)][3:]
    base, _ = load_model(config.model)
    tuned = adapted(config.model, checkpoint_folder(run, 3))
    lesson = clock(config).lesson(4)
    assert lesson is not None
    expected = plain_divergence(base, tuned, lesson).item() / lesson.trained_tokens
    assert expected > 1e-4
    assert found == pytest.approx(expected, rel=2e-3)


@pytest.mark.parametrize("name", ["lora", "own AdamW"])
def test_the_log_names_the_divergence_before_and_after_an_audited_lesson(
    config: TrainingConfig, name: str
) -> None:
    config = replace(config, steps=4, **VARIANTS[name])
    logged = [event.text for event in train(config) if isinstance(event, LogMessage)]
    line = next(text for text in logged if text.startswith("The lesson of step 4: "))
    before, after = (float(number) for number in re.findall(r"0\.\d{4}", line))
    base, _ = load_model(config.model)
    lesson = clock(config).lesson(4)
    assert lesson is not None
    for step, found in ((3, before), (4, after)):
        tuned = adapted(config.model, checkpoint_folder(config.output or Path(), step))
        expected = plain_divergence(base, tuned, lesson).item() / lesson.trained_tokens
        assert found == pytest.approx(expected, abs=2e-4)
    assert after != before


def test_its_gradient_is_that_of_the_divergence_by_the_models_own_code(
    config: TrainingConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[Any, Lesson]] = []
    of_lesson = BatchGradients.of_lesson

    def recording(self: BatchGradients, vectors: Any, batch: Batch, tiers: Sequence[int]) -> Lesson:
        found = of_lesson(self, vectors, batch, (0, 1))
        seen.append((self._plan, found))
        return found

    monkeypatch.setattr(BatchGradients, "of_lesson", recording)
    steps(replace(config, steps=4))
    plan, lesson = seen[-1]
    base, _ = load_model(config.model)
    tuned = adapted(config.model, checkpoint_folder(config.output or Path(), 3))
    batch = clock(config).lesson(4)
    assert batch is not None
    of_tuned = nn.value_and_grad(tuned, lambda model: plain_divergence(base, model, batch))
    expected = dict(tree_flatten(of_tuned(tuned)[1]))
    zeros = {path: mx.zeros_like(array) for path, array in expected.items()}
    found = plan.unflatten(dict(lesson.gradients), zeros)
    for path, gradient in expected.items():
        size = mx.linalg.norm(gradient).item()
        assert mx.linalg.norm(found[path] - gradient).item() <= 2e-3 * size + 1e-6, path


@pytest.fixture(scope="module", params=[0.0, 0.5], ids=["shared AdamW", "own AdamW"])
def whole(
    request: pytest.FixtureRequest, tiny_model: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[TrainingConfig, list[Event]]:
    """A run with lessons and dropout from its start to its end."""
    folder = tmp_path_factory.mktemp("whole")
    write_chats(folder / "chats.jsonl", 40)
    config = config_in(folder, tiny_model, folder / "chats.jsonl", dropout=0.1)
    config = replace(config, slow_rate=request.param)
    return config, list(train(config))


def test_lessons_come_every_few_steps_and_are_recorded(
    whole: tuple[TrainingConfig, list[Event]],
) -> None:
    config, events = whole
    (begun,) = [event for event in events if isinstance(event, RunStarted)]
    assert (begun.clocks.slow_every, begun.clocks.slow_texts) == (EVERY, 12)
    made = [event for event in events if isinstance(event, StepFinished)]
    assert [np.isfinite(step.base_kl) for step in made] == [False, True] * (STEPS // 2)
    rows = read_steps(config.output or Path()).rows
    assert np.array_equal(
        rows["base_kl"], np.array([s.base_kl for s in made], np.float32), equal_nan=True
    )


@pytest.mark.parametrize("rate", [0.0, 1.0])
def test_a_run_with_lessons_ends_nearer_to_its_base(config: TrainingConfig, rate: float) -> None:
    config = replace(config, slow_rate=rate)
    lesson, base = clock(config).lesson(EVERY), load_model(config.model)[0]
    assert lesson is not None
    found = {}
    for every in (0, 1):
        output = (config.output or Path()).parent / f"every-{every}"
        steps(replace(config, slow_every=every, output=output, steps_per_save=STEPS))
        tuned = adapted(config.model, last_checkpoint(output))
        found[every] = plain_divergence(base, tuned, lesson).item()
    assert found[1] < 0.5 * found[0]


def test_the_order_of_lessons_is_a_function_of_seed_and_step(config: TrainingConfig) -> None:
    """Each text once before any comes again."""
    first, again, other = clock(config), clock(config), clock(replace(config, seed=1))
    lessons = [first.lesson(step) for step in range(1, 2 * 6 * EVERY + 1)]
    assert [lesson is None for lesson in lessons[:4]] == [True, False, True, False]
    taken = [lesson for lesson in lessons if lesson is not None]
    repeated = [again.lesson(EVERY * number) for number in range(1, len(taken) + 1)]
    assert all(
        r is not None and np.array_equal(g.tokens, r.tokens)
        for g, r in zip(taken, repeated, strict=True)
    )
    rows = [tuple(row.tolist()) for lesson in taken[:6] for row in lesson.tokens]
    assert len({tuple(np.trim_zeros(row, "b")) for row in rows}) == 12
    changed = other.lesson(EVERY)
    assert changed is not None
    assert not np.array_equal(taken[0].tokens, changed.tokens)


def test_half_as_many_rows_as_a_step_trains_on_are_a_lesson() -> None:
    config = TrainingConfig(batch_size=4, grad_accumulation_steps=3)
    assert lesson_batch_size(config, 128) == 6
    assert lesson_batch_size(replace(config, batch_size=1, grad_accumulation_steps=1), 9) == 1


@pytest.mark.parametrize(("wanted", "taken"), [(3, 3), (4096, 12)])
def test_a_lesson_has_as_many_texts_as_the_settings_say(
    config: TrainingConfig, wanted: int, taken: int
) -> None:
    config = replace(config, slow_rows=wanted, output=None)
    lesson = clock(config).lesson(EVERY)
    assert lesson is not None
    assert len(lesson.tokens) == taken
    *_, end = train(replace(config, steps=EVERY))
    assert isinstance(end, RunFinished)
    assert end.outcome == "finished"


@pytest.mark.parametrize("cut", [1, 2, 3, 5])
def test_a_run_with_lessons_resumes_bit_equal(
    whole: tuple[TrainingConfig, list[Event]], tmp_path: Path, cut: int
) -> None:
    config = whole[0]
    parted = replace(config, output=tmp_path / "parted")
    list(train(parted, stop_after=cut))
    list(resume(parted.output or Path()))
    for name in (ADAPTER_FILE, OPTIMIZER_FILE):
        one, two = (arrays(last_checkpoint(c.output or Path()), name) for c in (config, parted))
        assert all(mx.array_equal(one[key], two[key]).item() for key in one)
    rows = [read_steps(c.output or Path()).rows for c in (config, parted)]
    assert np.array_equal(rows[0]["base_kl"], rows[1]["base_kl"], equal_nan=True)


def test_changed_lesson_text_is_named_when_the_run_resumes(
    config: TrainingConfig,
) -> None:
    list(train(replace(config, steps=3), stop_after=2))
    write_chats(config.slow_text or Path(), 11)
    warnings = [e.text for e in resume(config.output or Path()) if isinstance(e, LogMessage)]
    assert any("slow clock's text has changed" in text for text in warnings)


# Lies about lessons.


def left_out(patch: pytest.MonkeyPatch) -> None:
    lesson = SlowClock.lesson
    patch.setattr(SlowClock, "lesson", lambda self, step: None if step == 4 else lesson(self, step))


def out_of_turn(patch: pytest.MonkeyPatch) -> None:
    lesson = SlowClock.lesson
    patch.setattr(SlowClock, "lesson", lambda self, step: lesson(self, EVERY))


def by_another_weight(patch: pytest.MonkeyPatch) -> None:
    added = Lesson.added_to
    patch.setattr(Lesson, "added_to", lambda self, task, weight: added(self, task, 0.9 * weight))


def not_added(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Lesson, "added_to", lambda self, task, weight: dict(task))


def reported_better(patch: pytest.MonkeyPatch) -> None:
    mean = Lesson.mean
    patch.setattr(Lesson, "mean", lambda self: 0.5 * mean(self))


def without_gradient(patch: pytest.MonkeyPatch) -> None:
    of_lesson = BatchGradients.of_lesson

    def lying(self: BatchGradients, *a: Any) -> Lesson:
        found = of_lesson(self, *a)
        nothing = {k: mx.zeros_like(g) for k, g in found.gradients.items()}
        return replace(found, gradients=nothing)

    patch.setattr(BatchGradients, "of_lesson", lying)


def lessons_times(factor: float, of_divergence: float = 1.0) -> Callable[..., None]:
    def lie(patch: pytest.MonkeyPatch) -> None:
        of_lesson = BatchGradients.of_lesson

        def lying(self: BatchGradients, *a: Any) -> Lesson:
            found = of_lesson(self, *a)
            gradients = {k: factor * g for k, g in found.gradients.items()}
            return replace(found, gradients=gradients, divergence=of_divergence * found.divergence)

        patch.setattr(BatchGradients, "of_lesson", lying)

    return lie


def of_the_first_weights(patch: pytest.MonkeyPatch) -> None:
    """Lessons are computed of the weights that the run began with."""
    of_lesson, first = BatchGradients.of_lesson, list[mx.array]()

    def lying(self: BatchGradients, vectors: Sequence[mx.array], *a: Any) -> Lesson:
        first[:] = first or vectors
        return of_lesson(self, [vector + 0.0 for vector in first], *a)

    patch.setattr(BatchGradients, "of_lesson", lying)


def lessons_of_the_optimizer(change: Callable[..., Any]) -> Callable[[pytest.MonkeyPatch], None]:
    """The slow clock's own AdamW uses other gradients than those passed in."""

    def lie(patch: pytest.MonkeyPatch) -> None:
        step = TieredAdamW.step
        patch.setattr(
            TieredAdamW, "step", lambda self, *a: step(self, *a[:-1], change(a[-1]))  # type: ignore[call-arg]
        )  # fmt: skip

    return lie


def at_a_rate_times(factor: float) -> Callable[[pytest.MonkeyPatch], None]:
    def lie(patch: pytest.MonkeyPatch) -> None:
        step = TieredAdamW.step

        def lying(self: TieredAdamW, *a: Any) -> Any:
            return step(replace(self, slow_rate=factor * self.slow_rate), *a)

        patch.setattr(TieredAdamW, "step", lying)

    return lie


def without_memory(patch: pytest.MonkeyPatch) -> None:
    """Every lesson is its AdamW's first."""
    step = TieredAdamW.step

    def lying(self: TieredAdamW, *a: Any) -> Any:
        arguments = list(a)
        fresh = {
            kind: [mx.zeros_like(array) for array in getattr(a[3], kind)]
            for kind in ("slow_m", "slow_v", "slow_counts")
        }
        arguments[3] = replace(a[3], **fresh)
        return step(self, *arguments)

    patch.setattr(TieredAdamW, "step", lying)


@pytest.mark.parametrize("rate", [0.0, 0.5])
def test_steps_without_gradients_have_no_lesson(config: TrainingConfig, rate: float) -> None:
    rare = (TierConfig(2), TierConfig(4))
    config = replace(config, tiers=rare, pending="skip", slow_every=1, slow_rate=rate)
    *events, end = train(config, stop_after=3)
    assert end.outcome == "stopped", end.message
    *rest, end = resume(config.output or Path())
    assert end.outcome == "finished", end.message
    made = [step for step in (*events, *rest) if isinstance(step, StepFinished)]
    assert [math.isfinite(step.base_kl) for step in made] == [False, True] * (STEPS // 2)


SHARED, OWN = 0.0, 0.5
"""Rates of the slow clock: its lessons share the task's AdamW, or have one of their own."""


@pytest.mark.parametrize(
    ("rate", "lie", "message"),
    [
        *((rate, *lie_and_message) for rate in (SHARED, OWN) for lie_and_message in [
            (left_out, "a lesson of the slow clock was left out"),
            (out_of_turn, "a lesson of the slow clock was given out of turn"),
            (reported_better, "is reported of what was measured"),
            (without_gradient, "gave no gradient"),
            (lessons_times(2.0), "lesson's gradients are not those of the weights"),
            (lessons_times(-1.0), "lesson's gradients are not those of the weights"),
            (lessons_times(0.5, 0.5), "that of the model's own weights is"),
            (of_the_first_weights, "model's own weights is"),
        ]),
        (SHARED, by_another_weight, "was not taken by its weight"),
        (SHARED, not_added, "was not taken by its weight"),
        (OWN, lessons_of_the_optimizer(lambda lesson: {}), "where AdamW's update is"),
        (OWN, lessons_of_the_optimizer(lambda lesson: {k: -g for k, g in lesson.items()}),
         "where AdamW's update is"),
        (OWN, at_a_rate_times(1.1), "where AdamW moves it by"),
        (OWN, at_a_rate_times(0.9), "where AdamW's update is"),
        (OWN, without_memory, "where AdamW's update is"),
    ],
)  # fmt: skip
def test_a_lie_about_a_lesson_stops_the_run(
    config: TrainingConfig,
    rate: float,
    lie: Callable[[pytest.MonkeyPatch], None],
    message: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lie(monkeypatch)
    *_, end = train(replace(config, slow_rate=rate))
    assert isinstance(end, RunFinished)
    assert end.outcome == "failed"
    assert message in end.message


def test_a_checkpoint_without_the_slow_clocks_state_is_refused(config: TrainingConfig) -> None:
    """As if the settings had been changed in the run's folder."""
    list(train(replace(config, steps=3), stop_after=2))
    folder = last_checkpoint(config.output or Path())
    checkpoint, tuned = load_checkpoint(folder), adapted(config.model, folder)
    parameters = trainable_parameters(tuned)
    plan = make_plan(parameters, config)
    checkpoint.check_fits(parameters, plan)
    with pytest.raises(InputError, match="another adapter or tier plan"):
        checkpoint.check_fits(parameters, plan, has_slow=True)


def test_a_tier_that_only_lessons_moved_is_not_called_idle(
    config: TrainingConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As if the task never reached the last tier, experts without a token, say. The run ends before
    its gradients are audited."""
    summed = BatchGradients.summed

    def without_the_last(self: BatchGradients, *a: Any) -> Any:
        loss, gradients = summed(self, *a)
        return loss, {k: g if k == 0 else mx.zeros_like(g) for k, g in gradients.items()}

    monkeypatch.setattr(BatchGradients, "summed", without_the_last)
    *_, end = train(replace(config, steps=4, slow_rate=OWN))
    assert isinstance(end, RunFinished)
    assert end.outcome == "finished", end.message
    assert "learned nothing" not in end.message


def test_lessons_that_never_find_a_difference_are_named_at_the_end(
    config: TrainingConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As if the model were compared with itself."""
    monkeypatch.setattr(BareModel, "bare", lambda _: nullcontext())
    *_, end = train(config)
    assert isinstance(end, RunFinished)
    assert end.message.endswith("no lesson found a difference from the base model.")


def test_a_head_that_gives_another_divergence_is_not_used_for_lessons(
    config: TrainingConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    of_rows = divergence._of_rows
    monkeypatch.setattr(divergence, "_of_rows", lambda *a: 1.05 * of_rows(*a))
    found = steps(replace(config, steps=4))[3].base_kl
    tuned = adapted(config.model, checkpoint_folder(config.output or Path(), 3))
    lesson = clock(config).lesson(4)
    assert lesson is not None
    expected = plain_divergence(load_model(config.model)[0], tuned, lesson).item()
    assert found == pytest.approx(expected / lesson.trained_tokens, rel=2e-3)


def test_without_lessons_no_text_is_read(
    config: TrainingConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slow_module, "open_general_text", None)
    assert len(steps(replace(config, slow_every=0))) == STEPS


def test_a_model_that_reads_little_takes_lessons_cut_to_its_window(config: TrainingConfig) -> None:
    """Its tokens are bytes and it reads 128 of them: no text fits, some prompts are longer."""
    settings = with_learning_method(config, LEARN_AND_KEEP)
    *events, end = train(replace(settings, slow_every=2, slow_text=None))
    assert end.outcome == "finished"
    started = next(event for event in events if isinstance(event, RunStarted))
    assert 100 < started.clocks.slow_texts < 128
    lessons = [e.base_kl for e in events if isinstance(e, StepFinished) and e.step % 2 == 0]
    assert all(math.isfinite(kl) for kl in lessons)


def test_an_unusable_custom_text_is_named(config: TrainingConfig, tmp_path: Path) -> None:
    path = tmp_path / "own.jsonl"
    path.write_text('{"messages": [{"role": "user", "content": "Hi"}]}\n')
    with pytest.raises(InputError, match=r"The slow clock can't use own\.jsonl"):
        list(train(replace(config, slow_every=2, slow_text=path)))


def test_rows_of_a_text_of_ones_own_that_can_not_be_used_are_counted(
    config: TrainingConfig, tmp_path: Path
) -> None:
    path = tmp_path / "own.jsonl"
    write_chats(path, 4)
    path.write_text(path.read_text() + '{"x": 1}\n')
    logged = [
        event.text
        for event in train(replace(config, slow_text=path), stop_after=1)
        if isinstance(event, LogMessage) and event.text.startswith("own.jsonl: ")
    ]
    assert any(text.startswith("own.jsonl: 1 row is left out; the first:") for text in logged)
