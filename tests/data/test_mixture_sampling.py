"""Several datasets make one epoch, each with its share; what is held out is drawn from each."""

import json
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.errors import InputError
from app.data.files.dataset_files import find_files
from app.data.tokenizing.token_store import RowSettings
from app.data.tokens.mixture_sampling import Mixing
from app.data.training_set.training_data import DataSettings, MixedFiles
from app.data.training_set.validation_split import holdout_masks
from app.engine.batches.batches import BatchLoader
from tests.at_once import open_data

SEED = 7


def lengths_of(mixing, most=30):
    """Lengths for its rows, many of them equal."""
    return np.random.default_rng(0).integers(1, most, sum(mixing.sizes))


def rows_of(mixing, epoch, seed=SEED):
    return mixing.epoch(seed, epoch, lengths_of(mixing))


def counted(mixing, epochs):
    """How often each row is taken in the first epochs."""
    rows = np.concatenate([rows_of(mixing, epoch) for epoch in range(epochs)])
    return np.bincount(rows, minlength=sum(mixing.sizes))


# -- which rows an epoch takes ---------------------------------------------------------------


def test_a_share_is_one_of_all_rows_of_an_epoch():
    mixing = Mixing.from_fractions([600, 10_000, 10_000], [0.3, 0.1])
    assert mixing.rows_per_dataset == (600, 300, 100)


def test_every_epoch_takes_each_row_of_the_dataset_itself_exactly_once():
    mixing = Mixing.from_fractions([50, 8], [0.25])
    for epoch in range(5):
        rows = rows_of(mixing, epoch)
        assert sorted(rows[rows < 50]) == list(range(50))


def test_a_larger_dataset_repeats_no_row_before_all_were_taken():
    mixing = Mixing.from_fractions([30, 40], [0.25])  # 10 an epoch: 4 epochs are one pass
    assert set(counted(mixing, 4)[30:]) == {1}
    assert set(counted(mixing, 8)[30:]) == {2}
    assert list(rows_of(mixing, 0)) != list(rows_of(mixing, 4))


def test_a_smaller_dataset_is_repeated():
    mixing = Mixing.from_fractions([300, 7], [0.25])  # 100 an epoch of 7 rows
    assert set(counted(mixing, 1)[300:]) == {14, 15}
    assert set(counted(mixing, 7)[300:]) == {100}


def test_seed_and_epoch_decide():
    mixing = Mixing.from_fractions([10, 1000], [0.5])
    again = Mixing.from_fractions([10, 1000], [0.5])
    assert list(rows_of(mixing, 3, seed=1)) == list(rows_of(again, 3, seed=1))
    assert set(rows_of(mixing, 3, seed=1)) != set(rows_of(mixing, 3, seed=2))
    assert set(rows_of(mixing, 3)) & set(rows_of(mixing, 4)) == set(range(10))


@given(
    sizes=st.lists(st.integers(1, 40), min_size=2, max_size=4),
    share=st.floats(0.01, 0.3),
    epochs=st.integers(1, 4),
)
def test_rows_of_a_dataset_are_taken_as_often_as_each_other(sizes, share, epochs):
    mixing = Mixing.from_fractions(sizes, [share] * (len(sizes) - 1))
    for counts in np.split(counted(mixing, epochs), np.cumsum(sizes)[:-1]):
        assert counts.max() - counts.min() <= 1
    datasets = mixing.dataset_of(rows_of(mixing, 0))
    assert tuple(np.bincount(datasets, minlength=len(sizes))) == mixing.rows_per_dataset


@given(
    sizes=st.lists(st.integers(1, 60), min_size=2, max_size=3),
    share=st.floats(0.01, 0.4),
    epoch=st.integers(0, 200),
)
def test_no_epoch_exceeds_the_maximum_lengths(sizes, share, epoch):
    mixing = Mixing.from_fractions(sizes, [share] * (len(sizes) - 1))
    lengths = lengths_of(mixing, most=500)
    taken, most = lengths[mixing.epoch(SEED, epoch, lengths)], mixing.max_lengths(lengths)
    assert list(taken) == sorted(taken)
    assert len(taken) == len(most) == mixing.rows_per_epoch
    assert (taken <= most).all()


def test_the_maximum_lengths_are_reached():
    mixing = Mixing.from_fractions([7, 40], [0.6])
    lengths = np.concatenate((np.full(7, 99), np.arange(40)))
    taken = [lengths[mixing.epoch(SEED, epoch, lengths)] for epoch in range(40)]
    assert list(np.max(taken, axis=0)) == list(mixing.max_lengths(lengths))


def test_each_epoch_has_its_part_of_the_long_rows():
    mixing = Mixing.from_fractions([100, 1000], [0.5])
    lengths = np.concatenate((np.ones(100, int), np.random.default_rng(0).integers(1, 900, 1000)))
    sums = [int(lengths[mixing.epoch(SEED, epoch, lengths)].sum()) for epoch in range(10)]
    assert max(sums) < 1.03 * min(sums)  # by chance they would lie some 20 % apart


# -- which are held out ----------------------------------------------------------------------


def digests(*numbers):
    return np.array(numbers, np.uint64) * np.uint64(2**60 // 7)


def test_each_file_keeps_its_proportion():
    files = [digests(*range(300)), digests(*range(300, 400)), digests(*range(400, 410))]
    (masks,) = holdout_masks([files], [0.1], SEED)
    assert [int(mask.sum()) for mask in masks] == [30, 10, 1]


def test_many_small_files_give_their_share_together():
    files = [digests(*range(4 * n, 4 * n + 4)) for n in range(25)]
    (masks,) = holdout_masks([files], [0.1], SEED)
    assert sum(int(mask.sum()) for mask in masks) == 10


def test_each_dataset_gives_its_own_share():
    masks = holdout_masks(
        [[digests(*range(1000))], [digests(*range(1000, 1005))]], [0.1, 0.1], SEED
    )
    assert [[int(mask.sum()) for mask in files] for files in masks] == [[100], [1]]


def test_equal_rows_stay_on_one_side_in_all_files():
    one, other = digests(*range(200)), digests(*range(100, 300))
    (first,), (second,) = holdout_masks([[one], [other]], [0.2, 0.2], SEED)
    valid, kept = {*one[first], *other[second]}, {*one[~first], *other[~second]}
    assert valid
    assert not valid & kept


def test_a_row_that_another_dataset_only_trains_on_is_not_held_out():
    one, other = digests(*range(100)), digests(*range(50))
    (first,), (second,) = holdout_masks([[one], [other]], [0.5, 0.0], SEED)
    assert not second.any()
    assert first.any()
    assert not first[:50].any()


def test_one_file_is_split_as_it_always_was():
    # A resumed run must hold out the rows it began with.
    ((mask,),) = holdout_masks([[np.arange(1, 41, dtype=np.uint64)]], [0.2], 3)
    assert list(np.flatnonzero(mask)) == [11, 13, 21, 28, 29, 32, 33, 34]


# -- datasets ----------------------------------------------------------------------------------


@pytest.fixture
def write(tmp_path):
    def write(name, start, count):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        rows = (
            json.dumps({"text": f"row {n} is here"}) + "\n" for n in range(start, start + count)
        )
        path.write_text("".join(rows))
        return path

    return write


@pytest.fixture
def mixed(tokenizer_with):
    def mixed(data, *others, share=0.25, held_out=0.0, valid=None):
        settings = DataSettings(RowSettings(False), 512, 4, held_out, SEED)
        more = [MixedFiles(find_files(other), share) for other in others]
        return open_data(find_files(data, valid), tokenizer_with("chatml"), settings, more)

    return mixed


def texts(view, rows, tokenizer):
    return Counter(tokenizer.decode(view[int(row)].tokens) for row in rows)


def test_training_follows_the_shares(write, mixed, tokenizer_with):
    data = mixed(write("new.jsonl", 0, 60), write("old.jsonl", 100, 500))
    batches = BatchLoader(data.train, 4)
    assert len(batches) == 20
    rows = np.concatenate(batches.epoch(SEED, 0))
    counts = texts(data.train, rows, tokenizer_with("chatml"))
    numbers = [int(text.split()[1]) for text in counts]
    assert sum(number < 60 for number in numbers) == 60
    assert sum(number >= 100 for number in numbers) == 20
    assert set(counts.values()) == {1}
    assert [(p.name, p.rows, p.rows_per_epoch) for p in data.parts] == [
        ("new.jsonl", 60, 60),
        ("old.jsonl", 500, 20),
    ]


def test_batches_follow_on_as_if_never_stopped(write, mixed):
    data = mixed(write("new.jsonl", 0, 30), write("old.jsonl", 100, 23), share=0.4)
    batches = BatchLoader(data.train, 4)
    infinite = batches.infinite(SEED)
    whole = [next(infinite).tokens.tolist() for _ in range(40)]
    for start in (1, 13, 30):
        assert (
            next(BatchLoader(data.train, 4).infinite(SEED, start)).tokens.tolist() == whole[start]
        )


def test_the_rows_taken_of_each_are_counted_from_the_batches(write, mixed):
    data = mixed(write("new.jsonl", 0, 30), write("old.jsonl", 100, 23), share=0.4)
    batches = BatchLoader(data.train, 4)
    for count in (0, 5, len(batches), 2 * len(batches) + 3):
        taken = [i for e in range(3) for i in batches.epoch(SEED, e)][:count]
        rows = np.concatenate([np.zeros(0, int), *taken])
        expected = [int((rows < 30).sum()), int((rows >= 30).sum())]
        assert batches.rows_by_dataset(SEED, count) == expected


def test_the_log_states_the_counts(write, mixed):
    data = mixed(write("new.jsonl", 0, 60), write("old.jsonl", 100, 5))
    new, old = data.train.lengths[:60].sum(), data.train.lengths[60:].sum() * 4
    assert data.notes == (
        f"The first epoch takes 60 rows of new.jsonl (75.0%), which has 60: {new:,} tokens; "
        f"20 rows of old.jsonl (25.0%), which has 5, 4.0 times each: {old:,} tokens.",
    )


def test_each_dataset_has_its_own_validation_rows(write, mixed):
    data = mixed(write("new.jsonl", 0, 60), write("old.jsonl", 100, 500), held_out=0.1)
    assert [len(part.valid) for part in data.parts] == [6, 50]
    assert len(data.valid) == 56
    assert [part.rows for part in data.parts] == [54, 450]


def test_a_mixed_in_folder_brings_its_own_validation_rows(write, mixed):
    old = write("old/train.jsonl", 100, 20).parent
    write("old/valid.jsonl", 200, 3)
    data = mixed(write("new.jsonl", 0, 60), old, held_out=0.1)
    assert [(part.name, len(part.valid), part.rows) for part in data.parts] == [
        ("new.jsonl", 6, 54),
        ("old", 3, 20),
    ]
    assert [name.rpartition("/")[2] for name in data.fingerprints] == [
        "new.jsonl",
        "train.jsonl",
        "valid.jsonl",
    ]


def test_the_numbered_files_of_a_set_are_one_dataset(write, mixed, tmp_path):
    for number in range(3):
        write(f"set/train-{number}-of-3.jsonl", 100 * number, 40)
    data = mixed(tmp_path / "set", held_out=0.1)
    assert (len(data.train), len(data.valid)) == (108, 12)
    lines = Counter(data.valid[row].place.line for row in range(12))
    assert sum(lines.values()) == 12
    assert len(data.fingerprints) == 3
    whole = write("whole.jsonl", 0, 1)
    whole.write_text(
        "".join((tmp_path / f"set/train-{n}-of-3.jsonl").read_text() for n in range(3))
    )
    one = mixed(whole, held_out=0.1)
    ours = {data.train[row].tokens for row in range(108)}
    assert len(ours & {one.train[row].tokens for row in range(108)}) > 90


def test_a_file_can_not_be_used_twice(write, mixed, tmp_path):
    new = write("new.jsonl", 0, 60)
    (tmp_path / "same.jsonl").symlink_to(new)
    with pytest.raises(InputError, match=r"are the same file: a dataset can't be used twice"):
        mixed(new, tmp_path / "same.jsonl")


def test_a_mixed_in_dataset_without_a_usable_row_is_refused(write, mixed, tokenizer_with):
    new = write("new.jsonl", 0, 60)
    old = write("old.jsonl", 0, 1)
    old.write_text('{"messages": [{"role": "assistant", "content": "alone"}]}\n')
    with pytest.raises(InputError, match=r"No training row of the mixed-in old\.jsonl can be used"):
        settings = DataSettings(RowSettings(True, leave_out_bad_rows=True), 512, 4)
        more = [MixedFiles(find_files(old), 0.5)]
        open_data(find_files(new), tokenizer_with("chatml"), settings, more)


def test_training_rows_in_any_validation_set_are_reported(write, mixed, tmp_path):
    valid = write("valid.jsonl", 100, 30)
    data = mixed(write("new.jsonl", 0, 60), write("old.jsonl", 105, 20), valid=valid)
    assert data.notes[-1] == (
        "20 rows to train on are in the validation set too, so its loss looks better than it is."
    )
    data = mixed(tmp_path / "new.jsonl", write("older.jsonl", 200, 20), valid=valid)
    assert not any("validation set too" in note for note in data.notes)
