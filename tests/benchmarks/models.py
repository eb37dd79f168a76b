"""The Models list at its size: 200 model folders with headers as real ones have them.

python -m tests.benchmarks.models
"""

import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from app.core.paths import HOME_VARIABLE
from app.models.catalog import list_models
from tests.models.made_models import write_model

MODELS = 200
LAYERS = (16, 24, 28, 32, 36)
"""From 345 to 825 tensors each."""


def main() -> None:
    with tempfile.TemporaryDirectory() as home:
        os.environ |= {HOME_VARIABLE: home, "HOME": home, "HF_HOME": f"{home}/hf"}
        for name in ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "OLLAMA_MODELS", "XDG_CACHE_HOME"):
            os.environ.pop(name, None)
        write_models(Path(home))
        say("200 models listed, unread", timed(lambda: list_models(0.0), 5), "<= 0.3")
        say("200 models read, the first time", timed(list_models, 1), "")
        say("200 models listed again", timed(list_models, 5), "<= 0.3")


def write_models(home: Path) -> None:
    for number in range(MODELS):
        folder = home / ".lmstudio" / "models" / "mlx-community" / f"Llama-{number}-4bit"
        write_model(
            folder, num_hidden_layers=LAYERS[number % len(LAYERS)], shards=1 + number % 4,
            bits=None if number % 5 == 0 else 4,
        )  # fmt: skip


def timed(work: Callable[[], object], times: int) -> float:
    taken = []
    for _ in range(times):
        begun = time.perf_counter()
        work()
        taken.append(time.perf_counter() - begun)
    return statistics.median(taken)


def say(what: str, seconds: float, wanted: str) -> None:
    print(f"{what:60} {seconds:.3f} s   {wanted}")


if __name__ == "__main__":
    main()
