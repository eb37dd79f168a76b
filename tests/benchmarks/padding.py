"""How much of what batches compute is padding, for long-tailed lengths.

Run it with `python -m tests.benchmarks.padding`. Nothing is timed and no model is loaded: the
figures are exact and the same on every machine.
"""

from collections.abc import Iterator

import numpy as np

from app.data.row_values import RowLocation
from app.data.tokens.mixture_sampling import Mixing
from app.data.tokens.token_view import TokenView
from app.data.tokens.tokenized_examples import TokenizedExample, TokenRows
from app.engine.batches.batches import BatchLoader

COUNT = 20_000
EPOCHS = 3
BATCH_SIZES = (1, 2, 3, 4, 6, 8, 16, 32)


def long_tailed() -> list[int]:
    """Log-normal lengths of median 90 and σ 0.9, from 16 to 1024 tokens."""
    lengths = np.exp(np.random.default_rng(0).normal(np.log(90), 0.9, COUNT))
    return [int(length) for length in np.clip(lengths, 16, 1024)]


def views() -> Iterator[tuple[str, TokenView]]:
    examples = [
        TokenizedExample((1,) * length, ((1, length),), RowLocation(line))
        for line, length in enumerate(long_tailed(), 1)
    ]
    rows, every = TokenRows.of(examples), np.arange(COUNT)
    yield "one dataset", TokenView(rows, every, 1024)
    mixing = Mixing.from_fractions([8_000, 12_000], [0.25])
    yield "two, the second's share a quarter", TokenView(rows, every, 1024, mixing)
    mixing = Mixing.from_fractions([15_000, 4_000, 1_000], [0.2, 0.1])
    yield "three, the third repeated", TokenView(rows, every, 1024, mixing)


def main() -> None:
    print("| rows | batch size | packed | rows apart | shapes of each |\n|---|---|---|---|---|")
    for name, view in views():
        for size in BATCH_SIZES:
            both = [BatchLoader(view, size, is_packed=is_packed) for is_packed in (True, False)]
            shares = " | ".join(f"{padding(view, batches):.1%}" for batches in both)
            shapes = ", ".join(str(len(batches.shapes)) for batches in both)
            print(f"| {name} | {size} | {shares} | {shapes} |", flush=True)


def padding(view: TokenView, batches: BatchLoader) -> float:
    """The share of all cells, the worst of a few epochs."""
    return max(_padding(view, batches, epoch) for epoch in range(EPOCHS))


def _padding(view: TokenView, batches: BatchLoader, epoch: int) -> float:
    order = batches.epoch(0, epoch)
    cells = sum(batches.batch(indexes).tokens.size for indexes in order)
    return 1 - sum(int(view.lengths[indexes].sum()) for indexes in order) / cells


if __name__ == "__main__":
    main()
