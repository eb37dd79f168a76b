"""Shared fixtures: no screen, a library of its own for every test, a tiny real model."""

import multiprocessing
import os
import sys
import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
# The workers share two cores, and a BLAS thread without work keeps one busy: twice the time.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

# MLX behind its gate, before a test names it; with the user's own cache, where its BLAS is.
import app.engine  # noqa: F401

# isort: split

import mlx.core as mx
import pytest
from hypothesis import HealthCheck, settings
from pytestqt.qtbot import QtBot

from app.core.files.paths import HOME_VARIABLE
from app.core.system import child_processes
from app.engine.runtime.mlx_runtime import import_mlx_lm
from tests.forked_processes import ForkedProcesses
from tests.library.made_up import made_up_step, run_started
from tests.patience import PATIENCE_MS

if TYPE_CHECKING:
    from app.ui.system.qt_application import NestlingApplication

# Child processes read kept bytecode: a quarter of a second less for each of hundreds.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

# No test cuts the power; a flush takes milliseconds, and a run makes dozens.
os.fsync = lambda _: None

_clear_streams = mx.clear_streams


def _clear_streams_of_a_thread_that_ends() -> None:
    """A command that is run within a test ends MLX's thread, which is that of all other tests."""
    if threading.current_thread() is not threading.main_thread():
        _clear_streams()


mx.clear_streams = _clear_streams_of_a_thread_that_ends

# The sample that every change runs is the same each time, so that a failure is the change's own;
# the long campaigns (-m slow) draw anew.
# Neither fails for the time that it takes.
UNTIMED: dict[str, Any] = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}
settings.register_profile("sample", derandomize=True, **UNTIMED)
settings.register_profile("campaign", derandomize=False, **UNTIMED)

CHATML = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n"
    "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def pytest_configure(config: pytest.Config) -> None:
    is_sample = config.option.markexpr == "not slow"
    settings.load_profile("sample" if is_sample else "campaign")


@pytest.fixture(autouse=True, scope="session")
def _processes_are_forked() -> Iterator[None]:
    """On macOS, where what has the system's libraries can't be forked, they begin as the app's."""
    with pytest.MonkeyPatch.context() as patch:
        if sys.platform == "linux":
            patch.setattr(child_processes, "PROCESSES", ForkedProcesses())
        yield


@pytest.fixture
def spawned_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Child processes begin as the app's do."""
    monkeypatch.setattr(child_processes, "PROCESSES", multiprocessing.get_context("spawn"))


@pytest.fixture(autouse=True, scope="session")
def _home_of_shared_fixtures(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Runs that the tests of a module share are made in no test's home."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(HOME_VARIABLE, str(tmp_path_factory.mktemp("shared-home")))
        yield


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Every test has an application-support folder of its own."""
    home = tmp_path / "home"
    monkeypatch.setenv(HOME_VARIABLE, str(home))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data-home"))
    return home


@pytest.fixture(scope="session")
def qapp_cls() -> "type[NestlingApplication]":
    """The application of every test is the program's own."""
    from app.ui.system.qt_application import NestlingApplication

    return NestlingApplication


@pytest.fixture
def qtbot(qtbot: QtBot) -> QtBot:
    """Whose waits end with the fact, or fail after everyone's patience."""
    for name in ("waitUntil", "waitSignal", "waitSignals", "waitExposed", "waitActive"):
        setattr(qtbot, name, partial(getattr(qtbot, name), timeout=PATIENCE_MS))
    return qtbot


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A real Llama of 4 layers with its own tokenizer, random weights, as mlx-lm loads it."""
    folder = tmp_path_factory.mktemp("tiny-model")
    build_model(folder)
    return folder


@pytest.fixture(scope="session")
def make_model(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Build further models: other sizes, dtypes, quantised."""

    def make(**changes: object) -> Path:
        folder = tmp_path_factory.mktemp("model")
        build_model(folder, **changes)  # type: ignore[arg-type]
        return folder

    return make


@pytest.fixture
def chat_file(tmp_path: Path) -> Path:
    """40 short chats."""
    path = tmp_path / "chats.jsonl"
    write_chats(path, 40)
    return path


def write_chats(path: Path, count: int) -> None:
    import json

    rows = (
        {
            "messages": [
                {"role": "user", "content": f"What is {i} plus {i % 7}?"},
                {"role": "assistant", "content": f"{i + i % 7}" + " indeed" * (i % 5)},
            ]
        }
        for i in range(count)
    )
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def build_model(
    folder: Path,
    *,
    layers: int = 4,
    hidden: int = 32,
    bits: int | None = None,
    dtype: str = "float32",
    seed: int = 7,
) -> None:
    """Write a Llama with random weights and a byte-level tokenizer to `folder`."""
    import_mlx_lm()
    from mlx_lm.models import llama
    from mlx_lm.utils import quantize_model, save_config
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    special = ["<pad>", "<|im_start|>", "<|im_end|>"]
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {token: i for i, token in enumerate(special + alphabet)}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, eos_token="<|im_end|>", pad_token="<pad>",
        additional_special_tokens=special[1:],
    )  # fmt: skip
    fast.chat_template = CHATML
    fast.save_pretrained(folder)

    config = {
        "model_type": "llama",
        "hidden_size": hidden,
        "num_hidden_layers": layers,
        "intermediate_size": hidden * 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "rms_norm_eps": 1e-5,
        "vocab_size": 320,
        "tie_word_embeddings": True,
        "rope_theta": 10000.0,
    }
    mx.random.seed(seed)
    model = llama.Model(llama.ModelArgs.from_dict(config))
    model.set_dtype(getattr(mx, dtype))
    if bits:
        model, config = quantize_model(model, config, group_size=32, bits=bits)
    from mlx.utils import tree_flatten

    mx.save_safetensors(
        str(folder / "model.safetensors"), dict(tree_flatten(model.parameters())), {"format": "mlx"}
    )
    save_config(config, folder / "config.json")


@pytest.fixture
def make_run() -> Callable[..., Path]:
    """Write made-up runs, as the recorder writes them."""
    return write_run


def write_run(
    run_dir: Path,
    *,
    steps: int = 8,
    outcome: str | None = "finished",
    periods: tuple[int, ...] = (1, 2),
    layers: int = 4,
    saves: tuple[int, ...] = (),
    message: str = "Done.",
    logged: tuple[str, ...] = (),
    scores: tuple[Any, ...] = (),
    **settings: object,
) -> Path:
    """A run with a validation and small checkpoints at `saves` (the last step without any), and
    `scores` of its questions; the last but one checkpoint is its best. Without an outcome it
    stands as it would after a kill."""
    from app.core.config.training_config import TierConfig, TrainingConfig
    from app.core.events import CheckpointSaved, EvaluationFinished, LogMessage, RunFinished
    from app.library.run.recorder import RunRecorder

    tiers = tuple(map(TierConfig, periods))
    settings = {"data": Path("/d/cats.jsonl"), "steps": steps, "tiers": tiers, **settings}
    config = TrainingConfig(**settings)  # type: ignore[arg-type]
    recorder = RunRecorder.create(run_dir, config, {"train_examples": 36, "valid_examples": 4})
    recorder.record(run_started(run_dir, steps, periods, layers))
    saves = saves or (steps,)
    checkpoint = None
    for number in range(1, steps + 1):
        recorder.record(made_up_step(number, periods, layers))
        if number in saves:
            is_best = number == saves[max(0, len(saves) - 2)]
            recorder.record(EvaluationFinished(number, 1.0 if is_best else 2.0, is_best))
            checkpoint = run_dir / "checkpoints" / f"step-{number:06d}"
            checkpoint.mkdir(parents=True)
            for name in ("adapters.safetensors", "adapter_config.json", "optimizer.safetensors",
                         "state.json"):  # fmt: skip
                (checkpoint / name).write_text("{}")
            recorder.synced_metrics_bytes()
            recorder.record(CheckpointSaved(number, checkpoint, 8, is_best))
    for event in (*map(LogMessage, logged), *scores):
        recorder.record(event)
    if outcome is not None:
        recorder.record(RunFinished(outcome, run_dir, checkpoint, steps, message))  # type: ignore[arg-type]
    recorder.close()
    return run_dir


@pytest.fixture(autouse=True, scope="session")
def _mlx_thread_ends_well() -> Iterator[None]:
    yield
    _clear_streams()  # without it the process can abort at its end
