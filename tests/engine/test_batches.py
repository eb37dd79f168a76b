"""Batches: no example lost, few shapes, an order that seed and epoch decide."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.data.token_rows import TokenizedExample, TokenView
from app.engine.batches import Batches, bucket_lengths


def examples(lengths: list[int]) -> TokenView:
    return TokenView.of(
        TokenizedExample(tuple([i + 1] * n), ((1, n),), i) for i, n in enumerate(lengths)
    )


@given(
    lengths=st.lists(st.integers(2, 900), min_size=1, max_size=120),
    batch_size=st.integers(1, 9),
    epoch=st.integers(0, 3),
)
@settings(max_examples=60, deadline=None)
def test_an_epoch_visits_every_example_exactly_once(
    lengths: list[int], batch_size: int, epoch: int
) -> None:
    batches = Batches(examples(lengths), batch_size)
    visited = np.concatenate(batches.epoch(seed=3, epoch=epoch))
    assert sorted(visited.tolist()) == list(range(len(lengths)))


@given(lengths=st.lists(st.integers(2, 5000), min_size=1, max_size=200), most=st.integers(1, 8))
@settings(max_examples=100, deadline=None)
def test_there_are_few_lengths_and_each_example_fits_one(lengths: list[int], most: int) -> None:
    edges = bucket_lengths(np.array(lengths), most)
    assert len(edges) <= most
    assert edges == sorted(set(edges))
    assert max(lengths) == edges[-1]


def test_every_batch_of_a_run_has_one_of_the_announced_shapes() -> None:
    batches = Batches(examples(list(range(2, 300))), 7)
    stream = batches.endless(seed=0)
    shapes = {next(stream).tokens.shape for _ in range(3 * len(batches))}
    assert shapes <= {(7, length) for length in batches.lengths}


def test_the_order_depends_on_seed_and_epoch_only() -> None:
    batches = Batches(examples([5] * 50), 4)

    def order(seed: int, epoch: int) -> list[list[int]]:
        return [b.tolist() for b in batches.epoch(seed, epoch)]

    assert order(1, 0) == order(1, 0)
    assert order(1, 0) != order(1, 1)
    assert order(1, 0) != order(2, 0)


@pytest.mark.parametrize("start", [0, 3, 13, 14, 40])
def test_the_stream_can_start_anywhere(start: int) -> None:
    batches = Batches(examples([4, 9, 30] * 9), 2)
    from_zero = batches.endless(seed=5)
    for _ in range(start):
        next(from_zero)
    later = batches.endless(seed=5, start=start)
    for _ in range(5):
        assert np.array_equal(next(from_zero).tokens, next(later).tokens)


def test_a_short_last_batch_is_filled_with_rows_that_train_nothing() -> None:
    batches = Batches(examples([6, 6, 6]), 2)
    rows = [batch.trained.sum(axis=1).tolist() for batch in batches.once()]
    assert rows == [[5.0, 5.0], [5.0, 0.0]]


def test_only_the_named_spans_are_trained() -> None:
    example = TokenizedExample((9, 8, 7, 6, 5, 4), ((2, 3), (4, 6)), 1)
    batch = next(Batches(TokenView.of([example]), 1).once())
    assert batch.trained[0, :6].tolist() == [0, 0, 1, 0, 1, 1]
    assert batch.tokens[0, :6].tolist() == [9, 8, 7, 6, 5, 4]
    assert batch.trained_tokens == 3
