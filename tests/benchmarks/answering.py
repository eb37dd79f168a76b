"""How fast a checkpoint answers, beside mlx-lm's own `stream_generate`.

`python -m tests.benchmarks.answering [rounds]`; all ways alternate in one process, on a Llama with
random weights and a trained adapter. Greedy, so that all write the same tokens, which is checked.
"""

import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

from app.core.chat_messages import Chat
from app.core.config.training_config import TierConfig, TrainingConfig
from app.core.generation_events import CheckpointRef, Sampling, TextAdded
from app.engine.generation.generation import answer
from app.engine.model.loading import load_base_model
from app.engine.training.trainer import train
from tests.at_once import load_tuned_model
from tests.conftest import build_model, write_chats

LAYERS, HIDDEN, TOKENS = 8, 512, 128
QUESTION = "What is 3 plus 3?"


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 7
    with tempfile.TemporaryDirectory() as folder:
        ways = make_ways(Path(folder))
        seconds: dict[str, list[float]] = {name: [] for name in ways}
        texts = {name: way() for name, way in ways.items()}  # warms up
        assert texts["mlx-lm, tuned"] == texts["tuned alone"]
        assert texts["mlx-lm, base"] + texts["mlx-lm, tuned"] == texts["side by side"]
        for _ in range(rounds):
            for name, way in ways.items():
                began = time.perf_counter()
                way()
                seconds[name].append(time.perf_counter() - began)
    for name, found in seconds.items():
        timing = f"{median(found):6.2f} s  ({min(found):.2f} to {max(found):.2f})"
        print(f"{name:16} {timing}  {TOKENS / median(found):6.1f} tokens/s")
    alone = _ratio(seconds["tuned alone"], seconds["mlx-lm, tuned"])
    theirs = [a + b for a, b in zip(seconds["mlx-lm, base"], seconds["mlx-lm, tuned"], strict=True)]
    both = _ratio(seconds["side by side"], theirs)
    print(f"tuned alone to mlx-lm: {alone:.2f}x; side by side to both of mlx-lm: {both:.2f}x")


def _ratio(ours: list[float], theirs: list[float]) -> float:
    """The median of the rounds' ratios."""
    return median(a / b for a, b in zip(ours, theirs, strict=True))


def make_ways(folder: Path) -> dict[str, Callable[[], str]]:
    from mlx_lm import load

    model = folder / "model"
    model.mkdir()
    build_model(model, layers=LAYERS, hidden=HIDDEN)
    write_chats(folder / "chats.jsonl", 24)
    config = TrainingConfig(
        model=model, data=folder / "chats.jsonl", output=folder / "run", steps=4, batch_size=4,
        learning_rate=1e-2, tiers=(TierConfig(1),),
    )  # fmt: skip
    adapter: Any = list(train(config))[-1]
    tuned = replace(
        load_tuned_model(CheckpointRef(model, adapter.adapter_dir)), stop_tokens=frozenset()
    )
    base = load_base_model(model)
    theirs = load(str(model), adapter_path=str(adapter.adapter_dir))
    for tokenizer in (base.tokenizer, theirs[1]):
        tokenizer.eos_token_ids = set()
    sampling = Sampling(max_tokens=TOKENS)

    def ours(*sides: Any) -> str:
        replies: dict[str, str] = dict.fromkeys(sides, "")
        for event in answer(tuned, Chat(QUESTION), sampling, sides):
            if isinstance(event, TextAdded):
                replies[event.side] += event.text
        return "".join(replies.values())

    return {
        "mlx-lm, base": lambda: _theirs(base.model, base.tokenizer),
        "mlx-lm, tuned": lambda: _theirs(*theirs[:2]),
        "tuned alone": lambda: ours("tuned"),
        "side by side": lambda: ours("base", "tuned"),
    }


def _theirs(model: Any, tokenizer: Any) -> str:
    from mlx_lm import stream_generate

    asked = [{"role": "user", "content": QUESTION}]
    prompt = tokenizer.apply_chat_template(asked, add_generation_prompt=True)
    return "".join(
        response.text for response in stream_generate(model, tokenizer, prompt, max_tokens=TOKENS)
    )


if __name__ == "__main__":
    main()
