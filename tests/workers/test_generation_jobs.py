"""The model that is tried stays between questions, is another one when it should be, and goes."""

import gc
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import mlx.core as mx
import pytest
from pytestqt.qtbot import QtBot

from app.core.chat_messages import Chat
from app.core.config.training_config import TierConfig, TrainingConfig
from app.core.errors import InputError
from app.core.events import StageChanged
from app.core.generation_events import AnswerEnded, CheckpointLoaded, CheckpointRef, Sampling
from app.workers.background_job import JobEnded, JobNotice, JobYielded
from app.workers.compute_thread import ComputeThread
from app.workers.jobs.generation import LoadedCheckpoint
from tests.conftest import write_chats

ASKED = Chat("What is 1 plus 1?"), Sampling(max_tokens=2)


def never() -> bool:
    return False


@pytest.fixture(scope="module")
def run_dir(make_model: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two checkpoints of a run on a base of some megabytes."""
    from app.engine.training.trainer import train

    folder = tmp_path_factory.mktemp("run")
    write_chats(folder / "chats.jsonl", 12)
    config = TrainingConfig(
        model=make_model(hidden=256), data=folder / "chats.jsonl", output=folder / "run", steps=2,
        batch_size=4, steps_per_save=1, tiers=(TierConfig(1),),
    )  # fmt: skip
    return list(train(config))[-1].run_dir  # type: ignore[union-attr]


@pytest.fixture
def tried(run_dir: Path) -> CheckpointRef:
    from app.library.run.manifest import read_manifest

    model = Path(read_manifest(run_dir)["config"]["model"])
    return CheckpointRef(model, run_dir / "checkpoints" / "step-000001")


def test_loading_is_stopped_between_two_parts_of_the_weights(
    tried: CheckpointRef, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.engine.model.loading._PIECE_BYTES", 1000)
    monkeypatch.setattr("app.engine.runtime.stopping.SECONDS_BETWEEN_STAGES", 0.0)
    loaded, events = LoadedCheckpoint(), []
    for event in loaded.answer_job(tried, *ASKED)(lambda: len(events) == 3):
        events.append(event)
    stages = [event for event in events if isinstance(event, StageChanged)]
    assert len(stages) == len(events) == 3
    assert 0.0 == stages[0].fraction < stages[1].fraction < stages[2].fraction < 1.0  # type: ignore[operator]
    assert loaded._model is None


def test_the_model_stays_until_another_checkpoint_is_asked(tried: CheckpointRef) -> None:
    loaded = LoadedCheckpoint()
    events = list(loaded.answer_job(tried, *ASKED)(never))
    assert isinstance(events[0], StageChanged)
    answered = [event for event in events if not isinstance(event, StageChanged)]
    assert isinstance(answered[0], CheckpointLoaded)
    assert sum(isinstance(event, AnswerEnded) for event in events) == 2
    first = loaded._model
    list(loaded.answer_job(tried, *ASKED)(never))
    assert loaded._model is first
    other = CheckpointRef(tried.model, tried.adapter_dir.with_name("step-000002"))
    list(loaded.answer_job(other, *ASKED)(never))
    assert loaded._model is not first
    assert loaded._model is not None
    assert loaded._model.loaded.checkpoint == other


def test_a_rewritten_checkpoint_is_reloaded(tried: CheckpointRef) -> None:
    loaded = LoadedCheckpoint()
    list(loaded.answer_job(tried, *ASKED)(never))
    first = loaded._model
    file = tried.adapter_dir / "adapters.safetensors"
    content = file.read_bytes()
    file.unlink()
    with pytest.raises(InputError, match=r"adapters\.safetensors is missing"):
        list(loaded.answer_job(tried, *ASKED)(never))
    assert loaded._model is None
    file.write_bytes(content)
    list(loaded.answer_job(tried, *ASKED)(never))
    assert loaded._model is not first


def test_a_closed_answer_keeps_the_model_for_the_next_one(tried: CheckpointRef) -> None:
    loaded = LoadedCheckpoint()
    working = loaded.answer_job(tried, ASKED[0], Sampling(max_tokens=500))(never)
    for _ in range(5):
        next(working)
    working.close()  # type: ignore[attr-defined]
    assert sum(isinstance(e, AnswerEnded) for e in loaded.answer_job(tried, *ASKED)(never)) == 2


@pytest.fixture
def compute() -> Iterator[ComputeThread]:
    made = ComputeThread()
    yield made
    made.shut_down()


def endings(notices: list[JobNotice]) -> list[str]:
    return [notice.ending for notice in notices if isinstance(notice, JobEnded)]


def test_freeing_gives_the_memory_back(
    tried: CheckpointRef, compute: ComputeThread, qtbot: QtBot
) -> None:
    """Measured by MLX itself on its thread: nothing of the model is left but what was before."""
    notices: list[JobNotice] = []

    def measuring(_: Callable[[], bool]) -> Iterator[object]:
        gc.collect()
        yield mx.get_active_memory(), mx.get_cache_memory()

    loaded = LoadedCheckpoint()
    for label, function in (
        ("a", measuring), ("b", loaded.answer_job(tried, *ASKED)), ("c", measuring),
        ("d", loaded.unload_job()), ("e", measuring),
    ):  # fmt: skip
        compute.submit(label, function, notices.append)
    qtbot.waitUntil(lambda: not compute.is_busy)
    assert endings(notices) == ["finished"] * 5
    before, during, after = (
        notice.value
        for notice in notices
        if isinstance(notice, JobYielded) and isinstance(notice.value, tuple)
    )
    weights = (tried.model / "model.safetensors").stat().st_size
    assert during[0] - before[0] >= weights
    assert after[0] - before[0] < weights / 10
    assert after[1] == 0


def test_the_model_goes_without_a_search_for_garbage_in_the_thread_of_mlx(
    tried: CheckpointRef, compute: ComputeThread, qtbot: QtBot
) -> None:
    """It would destroy what it finds of the window, which belongs to another thread."""
    searched_in: list[int] = []
    notices: list[JobNotice] = []
    loaded = LoadedCheckpoint()
    was_enabled = gc.isenabled()
    gc.disable()
    note = lambda *_: searched_in.append(threading.get_ident())  # noqa: E731
    gc.callbacks.append(note)
    try:
        for function in (loaded.answer_job(tried, *ASKED), loaded.unload_job()):
            compute.submit("", function, notices.append)
        qtbot.waitUntil(lambda: not compute.is_busy)
    finally:
        gc.callbacks.remove(note)
        if was_enabled:
            gc.enable()
    assert endings(notices) == ["finished"] * 2
    assert set(searched_in) <= {threading.get_ident()}
