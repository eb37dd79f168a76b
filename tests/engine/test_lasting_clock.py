"""The lasting clock: what it pulls, how far, and that a lie about it stops the run."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import mlx.core as mx
import numpy as np
import pytest

from app.core.config.training_config import TierConfig, TrainingConfig
from app.core.errors import InputError
from app.core.events import Event, LogMessage, RunFinished, RunStarted, StepFinished
from app.engine.clocks import elastic_anchor as anchor_module
from app.engine.clocks.elastic_anchor import Anchor
from app.engine.training import restored_run
from app.engine.training.checkpoints import last_checkpoint
from app.engine.training.trainer import resume, train
from app.library.run.layout import ADAPTER_FILE, OPTIMIZER_FILE, STIFFNESS_FILE
from app.library.run.metrics import read_steps
from tests.conftest import write_chats

STEPS, PULL = 6, 300.0


@pytest.fixture(scope="module")
def first_config(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> TrainingConfig:
    folder = tmp_path_factory.mktemp("first")
    write_chats(folder / "chats.jsonl", 40)
    return TrainingConfig(
        model=tiny_model, data=folder / "chats.jsonl", output=folder / "first", steps=STEPS, rank=4,
        learning_rate=1e-2, steps_per_eval=100, steps_per_save=2, weight_decay=0.0,
        tiers=(TierConfig(1), TierConfig(2)),
    )  # fmt: skip


@pytest.fixture(scope="module")
def first_once(first_config: TrainingConfig) -> Path:
    list(train(first_config))
    return first_config.output or Path()


@pytest.fixture
def config(first_config: TrainingConfig, tmp_path: Path) -> TrainingConfig:
    return replace(first_config, output=tmp_path / "first")


@pytest.fixture
def first(first_once: Path, config: TrainingConfig) -> Path:
    """The last checkpoint of a run without an anchor, in a copy of its own for every test."""
    return last_checkpoint(shutil.copytree(first_once, config.output or Path()))


@dataclass(frozen=True)
class Anchored:
    """A run from that checkpoint, with an anchor; nothing is written into its folder."""

    first: Path
    config: TrainingConfig
    events: list[Event]


@pytest.fixture(scope="module")
def anchored(first_config: TrainingConfig, first_once: Path) -> Anchored:
    config = second(first_config, last_checkpoint(first_once))
    return Anchored(last_checkpoint(first_once), config, list(train(config)))


def second(config: TrainingConfig, adapter: Path, **changes: Any) -> TrainingConfig:
    assert config.output is not None
    output = config.output.parent / "second"
    changes = {"adapter": adapter, "output": output, "lasting_pull": PULL} | changes
    return replace(config, **changes)


def arrays(folder: Path, name: str = ADAPTER_FILE) -> dict[str, Any]:
    return mx.load(str(folder / name))  # type: ignore[return-value]


def distance(one: dict[str, Any], other: dict[str, Any]) -> float:
    return sum(mx.sum((one[name] - other[name]) ** 2).item() for name in one) ** 0.5


def ending(config: TrainingConfig) -> RunFinished:
    *_, end = train(config)
    assert isinstance(end, RunFinished)
    return end


def test_a_number_is_pulled_back_as_hard_as_it_is_stiff_and_never_too_far() -> None:
    anchor = Anchor([mx.array([1.0, 1.0, 1.0])], [mx.array([0.0, 1.0, 1e9])], 200.0)
    pulled = anchor.pulled(0, mx.array([3.0, 3.0, 3.0]), 0.01).tolist()
    assert pulled == pytest.approx([3.0, 1 + 2 / 3, 1.0])


def test_a_checkpoint_says_how_stiff_its_numbers_are(first: Path) -> None:
    """One tier fires twice as often: its second moment has another bias."""
    stiffness, state = arrays(first, STIFFNESS_FILE), arrays(first, OPTIMIZER_FILE)
    assert stiffness.keys() == arrays(first).keys()
    moments = [
        np.array(state[f"v/{k}"]) / (1 - 0.999**n) for k, n in enumerate((STEPS, STEPS // 2))
    ]
    expected = np.sort(np.concatenate(moments)) / np.mean(np.concatenate(moments))
    found = np.sort(
        np.concatenate([np.array(a.astype(mx.float32)).ravel() for a in stiffness.values()])
    )
    assert found == pytest.approx(expected, rel=2**-7)


def test_stiffness_adds_up_over_a_chain(anchored: Anchored) -> None:
    last = arrays(last_checkpoint(anchored.config.output or Path()), STIFFNESS_FILE)
    total = sum(mx.sum(a.astype(mx.float32)).item() for a in last.values())
    assert total == pytest.approx(2 * sum(a.size for a in last.values()), rel=0.02)


def test_with_a_memory_earlier_stiffness_fades(config: TrainingConfig, anchored: Anchored) -> None:
    """It changes what is saved, and nothing of the run itself."""
    fading = second(config, anchored.first, lasting_memory=0.25)
    list(train(fading))
    folders = [last_checkpoint(run.output or Path()) for run in (anchored.config, fading)]
    whole, faded = (arrays(folder, STIFFNESS_FILE) for folder in folders)
    before = arrays(anchored.first, STIFFNESS_FILE)
    for path, array in faded.items():
        expected = whole[path].astype(mx.float32) - 0.75 * before[path].astype(mx.float32)
        assert mx.allclose(array.astype(mx.float32), expected, rtol=0.02, atol=0.02).item()
    total = sum(mx.sum(a.astype(mx.float32)).item() for a in faded.values())
    assert total == pytest.approx(1.25 * sum(a.size for a in faded.values()), rel=0.02)
    one, two = map(arrays, folders)
    assert all(mx.array_equal(one[path], two[path]).item() for path in one)


def test_a_run_with_an_anchor_stays_nearer_to_where_it_began(
    config: TrainingConfig, anchored: Anchored
) -> None:
    free = second(config, anchored.first, lasting_pull=0.0)
    list(train(free))
    drifts = [
        distance(arrays(last_checkpoint(run.output or Path())), arrays(anchored.first))
        for run in (anchored.config, free)
    ]
    assert drifts[0] < 0.9 * drifts[1]


def test_every_pull_is_measured_and_recorded(anchored: Anchored) -> None:
    events = anchored.events
    (begun,) = [event for event in events if isinstance(event, RunStarted)]
    assert begun.clocks.lasting_pull == PULL
    steps = [event for event in events if isinstance(event, StepFinished)]
    assert [len(step.pulls) for step in steps] == [2] * STEPS
    assert all(step.pulls[0] > 0 for step in steps)
    assert [step.pulls[1] > 0 for step in steps] == [step % 2 == 0 for step in range(1, STEPS + 1)]
    rows = read_steps(anchored.config.output or Path()).rows
    assert rows["pulls"].tolist() == [pytest.approx(step.pulls, rel=1e-6) for step in steps]


def test_without_an_anchor_nothing_is_pulled(config: TrainingConfig, first_once: Path) -> None:
    """A run that starts from no adapter: the setting alone changes no bit."""
    other = replace(config, lasting_pull=PULL)
    list(train(other))
    one, two = (arrays(last_checkpoint(run)) for run in (first_once, other.output or Path()))
    assert all(mx.array_equal(one[name], two[name]).item() for name in one)
    assert not read_steps(other.output or Path()).has_clocks


@pytest.mark.parametrize("cut", [1, 2, 3, 4, 5])
def test_a_run_with_an_anchor_resumes_bit_equal(
    anchored: Anchored, tmp_path: Path, cut: int
) -> None:
    whole = anchored.config
    parted = replace(whole, output=tmp_path / "parted")
    list(train(parted, stop_after=cut))
    list(resume(parted.output or Path()))
    for name in (ADAPTER_FILE, OPTIMIZER_FILE, STIFFNESS_FILE):
        one, two = (arrays(last_checkpoint(c.output or Path()), name) for c in (whole, parted))
        assert one.keys() == two.keys()
        assert all(mx.array_equal(one[key], two[key]).item() for key in one)
    rows = [read_steps(c.output or Path()).rows for c in (whole, parted)]
    assert all((rows[0][name] == rows[1][name]).all() for name in ("loss", "pulls", "drifts"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda stiffness: {}, "does not fit the adapter"),
        (lambda stiffness: {k: v[:1] for k, v in stiffness.items()}, "does not fit the adapter"),
        (
            lambda stiffness: {k: -v for k, v in stiffness.items()},
            "has negative, infinite or NaN values",
        ),
        (
            lambda stiffness: {
                k: v * mx.array(float("nan"), v.dtype) for k, v in stiffness.items()
            },
            "has negative, infinite or NaN values",
        ),
    ],
)
def test_a_stiffness_of_something_else_is_refused(
    config: TrainingConfig, first: Path, change: Callable[..., Any], message: str
) -> None:
    stiffness = arrays(first, STIFFNESS_FILE)
    mx.save_safetensors(str(first / STIFFNESS_FILE), change(stiffness))
    with pytest.raises(InputError, match=message):
        list(train(second(config, first)))


def test_an_adapter_without_a_stiffness_pulls_nothing(config: TrainingConfig, first: Path) -> None:
    (first / STIFFNESS_FILE).unlink()
    events = list(train(second(config, first)))
    (begun,) = [event for event in events if isinstance(event, RunStarted)]
    assert begun.clocks.lasting_pull == 0
    logged = [event.text for event in events if isinstance(event, LogMessage)]
    assert any("so the lasting clock does not pull toward it" in text for text in logged)
    assert isinstance(events[-1], RunFinished)
    assert events[-1].outcome == "finished"


# Lies about the pull.


def of(factor: float) -> Callable[[pytest.MonkeyPatch], None]:
    pulled = Anchor.pulled

    def lie(self: Anchor, tier: int, values: Any, rate: Any) -> Any:
        return values + factor * (pulled(self, tier, values, rate) - values)

    return lambda patch: patch.setattr(anchor_module.Anchor, "pulled", lie)


def to_another_place(patch: pytest.MonkeyPatch) -> None:
    made = restored_run.anchor_of

    def lying(*args: Any) -> Anchor | None:
        anchor = made(*args)
        return anchor and replace(anchor, center=[center + 1e-2 for center in anchor.center])

    patch.setattr(restored_run, "anchor_of", lying)


def by_another_stiffness(patch: pytest.MonkeyPatch) -> None:
    made = restored_run.anchor_of

    def lying(*args: Any) -> Anchor | None:
        anchor = made(*args)
        return anchor and replace(anchor, stiffness=[mx.ones_like(s) for s in anchor.stiffness])

    patch.setattr(restored_run, "anchor_of", lying)


@pytest.mark.parametrize(
    "lie",
    [of(0.0), of(0.3), of(3.0), of(-1.0), to_another_place, by_another_stiffness],
    ids=["left out", "a third", "threefold", "away", "to another place", "another stiffness"],
)
def test_a_lie_about_the_pull_stops_the_run(
    config: TrainingConfig, first: Path, lie: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    lie(monkeypatch)
    end = ending(second(config, first))
    assert end.outcome == "failed", end
    assert "At step" in end.message
