"""A stop is obeyed within a model's own code and its template, which ask for nothing."""

import json
import shutil
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import mlx.core as mx
import pytest

from app.core.config.training_config import TierConfig, TrainingConfig
from app.core.events import Event, RunFinished, StageChanged
from app.core.system import interruption
from app.data.chat import template_process
from app.data.tokenizing import token_store
from app.data.tokens.cache import stores_dir
from app.data.tokens.store_files import JOURNAL
from app.engine.memory import step_trace
from app.engine.runtime.custom_gradients import is_tracing
from app.engine.training.trainer import train
from tests.conftest import CHATML, write_chats
from tests.patience import PATIENCE_SECONDS, patience


@pytest.fixture
def config(tiny_model: Path, tmp_path: Path) -> TrainingConfig:
    chat_file = tmp_path / "chats.jsonl"
    write_chats(chat_file, 20)
    return TrainingConfig(
        model=tiny_model, data=chat_file, output=tmp_path / "run", steps=2, batch_size=2, rank=2,
        tiers=(TierConfig(1), TierConfig(2)), steps_per_eval=2, steps_per_save=2,
    )  # fmt: skip


class SlowCode:
    """In the place of a module's own call: in a stage it comes to no end for so many tokens."""

    def __init__(self, own: Callable[..., Any], stage: str, tokens: int) -> None:
        self._own, self._stage, self._tokens = own, stage, tokens
        self.stage = ""
        self.is_entered = False
        self.was_left_alone = False

    def __call__(self, module: Any, hidden: Any) -> Any:
        if self.stage == self._stage and hidden.shape[1] >= self._tokens:
            self.is_entered = True
            with patience() as is_over:
                while not is_over():
                    pass
            self.was_left_alone = True
        return self._own(module, hidden)


@pytest.mark.parametrize("grad_checkpoint", [False, True])
@pytest.mark.parametrize(
    ("stage", "tokens"),
    [
        ("Loading the model", 1),
        ("Checking whether examples can be packed", 1),
        ("Checking whether examples can be packed", 9),
        ("Checking gradients against the model's own code", 1),
        ("Checking gradients against the model's own code", 9),
        ("Estimating the memory", 1),
        ("Estimating the memory", 9),
    ],
)
def test_a_stop_is_obeyed_within_the_models_own_code(
    config: TrainingConfig,
    monkeypatch: pytest.MonkeyPatch,
    stage: str,
    tokens: int,
    grad_checkpoint: bool,
) -> None:
    """In the packing trial, in the gradients' trace and in that of the memory, which MLX calls."""
    from mlx_lm.models import llama

    monkeypatch.setattr(step_trace, "_known", {})  # no run before has estimated the same
    slow = SlowCode(llama.MLP.__call__, stage, tokens)
    monkeypatch.setattr(llama.MLP, "__call__", lambda module, hidden: slow(module, hidden))
    attention = mx.fast.scaled_dot_product_attention
    embed = llama.nn.Embedding.__call__
    for event in train(
        replace(config, grad_checkpoint=grad_checkpoint), should_stop=lambda: slow.is_entered
    ):
        if isinstance(event, StageChanged):
            slow.stage = event.stage
    assert isinstance(event, RunFinished)
    assert event.message == "Stopped before the first step."
    assert slow.is_entered
    assert not slow.was_left_alone
    assert mx.fast.scaled_dot_product_attention is attention
    assert llama.nn.Embedding.__call__ is embed
    assert not is_tracing()
    assert not interruption._regions


def test_a_stop_is_obeyed_within_a_template_that_is_slow_for_one_chat(
    config: TrainingConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was tokenised before that chat is kept for the next time."""
    monkeypatch.setattr(template_process, "RENDER_SECONDS", PATIENCE_SECONDS)
    monkeypatch.setattr(token_store, "_CHUNK_ROWS", 1)
    model, rows = tmp_path / "model", tmp_path / "rows.jsonl"
    shutil.copytree(config.model, model)
    loop = "{% for i in range(99999) %}"
    (model / "chat_template.jinja").write_text(
        f"{{% if 'for ever' in messages[0].content %}}{loop}{loop}{{% endfor %}}{{% endfor %}}"
        "{% endif %}" + CHATML
    )
    chats = [
        [{"role": "user", "content": text}, {"role": "assistant", "content": "Yes."}]
        for text in ("one", "two", "for ever", "four")
    ]
    rows.write_text("".join(json.dumps({"messages": chat}) + "\n" for chat in chats))

    made: list[int] = []
    append = token_store.StoreWriter.append
    monkeypatch.setattr(
        token_store.StoreWriter,
        "append",
        lambda writer, *lot: (made.append(1), append(writer, *lot))[1],
    )

    def is_asked_within_foreign_code() -> bool:
        """While the third row is waited for."""
        caller = sys._getframe(1).f_code.co_name
        return len(made) == 2 and caller == "raise_if_stopped"

    events: list[Event] = []
    for event in train(
        replace(config, model=model, data=rows), should_stop=is_asked_within_foreign_code
    ):
        events.append(event)
    assert isinstance(event, RunFinished)
    assert event.message == "Stopped before the first step."
    (journal,) = stores_dir().rglob(JOURNAL)
    assert [json.loads(entry)["taken"] for entry in journal.read_text().splitlines()][-1] == 2
