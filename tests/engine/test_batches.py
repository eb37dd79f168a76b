"""Batches: no example lost, few shapes, little padding, an order that seed and epoch decide."""

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.core.errors import RunError
from app.data.row_values import RowLocation
from app.data.tokens.mixture_sampling import Mixing
from app.data.tokens.token_view import TokenView
from app.data.tokens.tokenized_examples import TokenizedExample, TokenRows
from app.engine.batches.batches import MAX_CELLS, MAX_SHAPES, Batch, BatchLoader, BatchShape
from app.engine.execution.batch_layout import BatchLayout, default_layout
from app.engine.runtime.distributed import Machines

LENGTHS = st.lists(st.integers(2, 900), min_size=1, max_size=120)
both_ways = pytest.mark.parametrize("is_packed", [False, True])


def examples(lengths: list[int], mixing: Mixing | None = None) -> TokenView:
    """Example i consists of the token i + 1."""
    rows = [
        TokenizedExample(tuple([i + 1] * n), ((1, n),), RowLocation(i))
        for i, n in enumerate(lengths)
    ]
    return TokenView(TokenRows.of(rows), np.arange(len(rows)), 2**31, mixing)


def long_tailed(count: int) -> list[int]:
    random = np.random.default_rng(0)
    lengths = np.exp(random.normal(np.log(90), 0.9, count))
    return [int(n) for n in np.clip(lengths, 16, 1024)]


def padding(batches: BatchLoader, lengths: list[int]) -> float:
    cells = sum(batches.batch(indexes).tokens.size for indexes in batches.epoch(0, 0))
    return 1 - sum(lengths) / cells


def parts(batch: Batch) -> list[npt.NDArray[np.int32]]:
    """Each example's tokens, with what fills its place up."""
    if not batch.places:
        return list(batch.tokens)
    return np.split(batch.tokens[0], np.cumsum(batch.places)[:-1])


@given(
    lengths=LENGTHS,
    batch_size=st.integers(1, 9),
    epoch=st.integers(0, 3),
    is_packed=st.booleans(),
    is_free=st.booleans(),
)
@settings(max_examples=120, deadline=None)
def test_an_epoch_visits_every_example_exactly_once(
    lengths: list[int], batch_size: int, epoch: int, is_packed: bool, is_free: bool
) -> None:
    batches = BatchLoader(
        examples(lengths), batch_size, is_packed=is_packed, has_free_shapes=is_free
    )
    order = batches.epoch(seed=3, epoch=epoch)
    assert sorted(np.concatenate(order).tolist()) == list(range(len(lengths)))
    assert len(order) == len(batches)
    # All but one hold as many examples as was asked for.
    missing = len(batches) * batch_size - len(lengths)
    assert sorted({len(indexes) for indexes in order}) == sorted(
        {batch_size - missing, batch_size} if len(order) > 1 else {batch_size - missing}
    )


@given(lengths=LENGTHS, batch_size=st.integers(1, 9), is_packed=st.booleans())
@settings(max_examples=120, deadline=None)
def test_every_token_of_every_example_is_in_its_batch(
    lengths: list[int], batch_size: int, is_packed: bool
) -> None:
    """Also where nothing but the number of examples is known of the shape: in evaluation."""
    batches = BatchLoader(examples(lengths), batch_size, is_packed=is_packed)
    assert len(batches.shapes) <= MAX_SHAPES
    assert len(set(batches.shapes)) == len(batches.shapes)
    round_robin = [batches.batch(indexes) for indexes in batches.epoch(1, 1)]
    for found in (round_robin, list(batches.once())):
        seen: dict[int, int] = {}
        for batch in found:
            shape = BatchShape(batch.places or batch.tokens.shape[1:] * batch_size, is_packed)
            assert shape in batches.shapes
            assert batch.tokens.shape == shape.size
            assert batch.tokens[:, batch.read].shape == shape.read_size
            for part in parts(batch):
                token, count = int(part[0]), int((part > 0).sum())
                assert (part[:count] == token).all()
                if token:
                    assert token not in seen
                    seen[token] = count
        assert seen == {i + 1: n for i, n in enumerate(lengths)}
        assert sum(batch.trained_tokens for batch in found) == sum(lengths) - len(lengths)


@pytest.mark.parametrize("batch_size", [1, 3, 4, 6, 8])
def test_large_batches_are_split_so_that_no_part_is_far_above_the_mean(batch_size: int) -> None:
    lengths = long_tailed(2_000)
    batches = BatchLoader(examples(lengths), batch_size, splits_large=True)
    whole = [batches.batch(indexes) for indexes in batches.epoch(0, 0)]
    parts_of = [list(batch.micro_batches()) for batch in whole]
    most = max(max(lengths), MAX_CELLS * np.mean([batch.tokens.size for batch in whole]))
    assert max(part.tokens.size for parts in parts_of for part in parts) <= most
    assert any(len(parts) > 1 for parts in parts_of) == (batch_size > 1)
    for batch, parts in zip(whole, parts_of, strict=True):
        assert len(parts) == batch.splits
        assert np.array_equal(np.concatenate([part.tokens for part in parts]), batch.tokens)
        assert np.array_equal(np.concatenate([part.trained for part in parts]), batch.trained)
    computed = {part.tokens.shape for parts in parts_of for part in parts}
    assert computed == {shape.micro_batch.size for shape in batches.shapes}
    assert {next(batches.blank(s).micro_batches()).tokens.shape for s in batches.shapes} == computed


def test_a_machines_share_of_a_batch_is_split_as_the_batch_is() -> None:
    batch = Batch(np.arange(24, dtype=np.int32).reshape(8, 3), np.ones((8, 3), np.float32), (), 4)
    shares = [Machines(rank, 2).share(batch) for rank in range(2)]
    found = [[len(part.tokens) for part in share.micro_batches()] for share in shares]
    assert found == [[1, 1, 1, 1]] * 2


def test_packed_batches_are_not_split_nor_are_those_of_runs_that_began_without() -> None:
    lengths = long_tailed(2_000)
    packed = BatchLoader(examples(lengths), 4, is_packed=True, splits_large=True)
    older = BatchLayout(batch_size=4, is_packed=False, has_free_shapes=True)
    for batches in (packed, older.batches(examples(lengths))):
        assert {shape.splits for shape in batches.shapes} == {1}
    assert {s.splits for s in default_layout(4).batches(examples(lengths)).shapes} == (
        {1} if default_layout(4).is_packed else {1, 2}
    )


@both_ways
def test_no_token_is_predicted_from_another_example(is_packed: bool) -> None:
    lengths = [5, 9, 2, 30, 7, 12, 3, 3]
    for batch in BatchLoader(examples(lengths), 4, is_packed=is_packed).once():
        read = batch.read
        here, following = batch.tokens[:, read], batch.tokens[:, read + 1]
        is_target = batch.trained[:, read + 1] > 0
        assert (here[is_target] == following[is_target]).all()
        assert is_target.sum() == batch.trained_tokens


@pytest.mark.parametrize(("batch_size", "most"), [(3, 0.051), (4, 0.05), (8, 0.05), (32, 0.05)])
def test_packed_the_padding_of_long_tailed_lengths_is_small(batch_size: int, most: float) -> None:
    lengths = long_tailed(5_000)
    batches = BatchLoader(examples(lengths), batch_size, is_packed=True)
    assert len(batches.shapes) <= 16
    assert padding(batches, lengths) <= most
    unpacked = BatchLoader(examples(lengths), batch_size)
    assert padding(unpacked, lengths) > 0.1
    # The longest examples are spread over batches instead of meeting in one.
    largest, before = (max(s.cells for s in b.shapes) for b in (batches, unpacked))
    assert largest < 0.5 * before


@both_ways
def test_every_epoch_of_mixed_datasets_has_the_same_shapes(is_packed: bool) -> None:
    lengths = [int(n) for n in np.random.default_rng(1).permutation(long_tailed(900))]
    mixing = Mixing.from_fractions([200, 400, 300], [0.3, 0.2])
    batches = BatchLoader(examples(lengths, mixing), 4, is_packed=is_packed)
    assert len(batches.shapes) <= MAX_SHAPES
    sizes = {shape.size for shape in batches.shapes}
    for epoch in range(9):
        order = batches.epoch(0, epoch)
        assert len(order) == len(batches) == 100
        assert sorted(i for indexes in order for i in indexes if i < 200) == list(range(200))
        for indexes in order:
            batch = batches.batch(indexes)
            assert batch.tokens.shape in sizes
            counts = {int(part[0]): int((part > 0).sum()) for part in parts(batch)}
            assert counts == {i + 1: lengths[i] for i in indexes}


def test_mixed_datasets_are_packed_with_as_little_padding() -> None:
    lengths = long_tailed(8_000)
    mixing = Mixing.from_fractions([3_000, 5_000], [0.25])
    batches = BatchLoader(examples(lengths, mixing), 4, is_packed=True)
    for epoch in range(3):
        taken = sum(lengths[i] for indexes in batches.epoch(0, epoch) for i in indexes)
        cells = sum(batches.batch(indexes).tokens.size for indexes in batches.epoch(0, epoch))
        assert 1 - taken / cells <= 0.055


def test_shapes_that_are_free_are_used() -> None:
    lengths = long_tailed(48)
    few, many = (
        BatchLoader(examples(lengths), 4, is_packed=True, has_free_shapes=free)
        for free in (False, True)
    )
    assert len(few.shapes) == 3
    assert len(many.shapes) == 6
    assert padding(many, lengths) < padding(few, lengths)


def test_equal_lengths_need_one_shape() -> None:
    for is_packed in (False, True):
        batches = BatchLoader(examples([64] * 100), 4, is_packed=is_packed, has_free_shapes=True)
        assert [shape.places for shape in batches.shapes] == [(64, 64, 64, 64)]


@both_ways
def test_the_order_depends_on_seed_and_epoch_only(is_packed: bool) -> None:
    batches = BatchLoader(examples([5] * 50), 4, is_packed=is_packed)

    def order(seed: int, epoch: int) -> list[list[int]]:
        return [b.tolist() for b in batches.epoch(seed, epoch)]

    assert order(1, 0) == order(1, 0)
    assert order(1, 0) != order(1, 1)
    assert order(1, 0) != order(2, 0)


def test_examples_meet_others_in_every_epoch() -> None:
    batches = BatchLoader(examples(long_tailed(400)), 4, is_packed=True)
    first, second = ({frozenset(b.tolist()) for b in batches.epoch(0, epoch)} for epoch in (0, 1))
    assert len(first & second) < 0.1 * len(first)


@both_ways
@pytest.mark.parametrize("start", [0, 3, 13, 14, 40])
def test_the_stream_can_start_anywhere(start: int, is_packed: bool) -> None:
    batches = BatchLoader(examples([4, 9, 30] * 9), 2, is_packed=is_packed)
    from_zero = batches.infinite(seed=5)
    for _ in range(start):
        next(from_zero)
    later = batches.infinite(seed=5, start=start)
    for _ in range(5):
        assert np.array_equal(next(from_zero).tokens, next(later).tokens)


@both_ways
def test_a_short_batch_is_filled_with_examples_that_train_nothing(is_packed: bool) -> None:
    batches = BatchLoader(examples([6, 6, 6]), 2, is_packed=is_packed)
    found = [batch for indexes in batches.epoch(0, 0) if (batch := batches.batch(indexes))]
    assert sorted(batch.trained_tokens for batch in found) == [5, 10]
    assert {batch.tokens.size for batch in found} == {12}


def test_only_the_named_spans_are_trained() -> None:
    example = TokenizedExample((9, 8, 7, 6, 5, 4), ((2, 3), (4, 6)), RowLocation(1))
    batch = next(BatchLoader(TokenView.of([example]), 1).once())
    assert batch.trained[0, :6].tolist() == [0, 0, 1, 0, 1, 1]
    assert batch.tokens[0, :6].tolist() == [9, 8, 7, 6, 5, 4]
    assert batch.trained_tokens == 3


@both_ways
def test_a_blank_batch_has_the_shape_and_trains_about_as_much(is_packed: bool) -> None:
    batches = BatchLoader(examples(long_tailed(40)), 4, is_packed=is_packed)
    for shape in batches.shapes:
        batch = batches.blank(shape)
        assert batch.tokens.shape == shape.size
        assert batch.input_lengths == shape.input_lengths
        assert batch.trained_tokens == pytest.approx(shape.cells - 4, rel=0.05)


@both_ways
def test_a_part_of_a_batch_holds_those_examples(is_packed: bool) -> None:
    batch = next(BatchLoader(examples([9, 7, 5, 3]), 4, is_packed=is_packed).once())
    part = batch.part([0, 3])
    assert [int(p[0]) for p in parts(batch)] == [1, 2, 3, 4]
    assert [int(p[0]) for p in parts(part)] == [1, 4]
    assert part.trained_tokens == 8 + 2


def test_a_smaller_batch_would_have_every_other_place() -> None:
    shape = BatchShape((900, 800, 90, 80, 50, 40, 20, 10), is_packed=True)
    assert shape.resized(4, 1000).places == (900, 90, 50, 20)
    assert shape.resized(8, 64).places == (64, 64, 64, 64, 50, 40, 20, 10)


@both_ways
def test_a_token_that_the_model_has_not_is_refused_with_its_row(is_packed: bool) -> None:
    view = examples([4, 9, 30])
    batches = BatchLoader(view, 3, is_packed=is_packed, vocabulary=4)
    assert batches.batch(np.arange(3)).tokens.max() == 3
    batches = BatchLoader(view, 3, is_packed=is_packed, vocabulary=3)
    with pytest.raises(RunError, match="line 2: token 3 is beyond the 3 tokens"):
        batches.batch(np.arange(3))
