"""Datasets that a run refuses as too small to train on."""

import pytest

from app.data.training_set.minimum_rows import RemainingRows, insufficient_rows_error

ENOUGH = RemainingRows("new", 9, 5, None)


@pytest.mark.parametrize(
    ("rows", "sentence"),
    [
        ([RemainingRows("new", 1, 5, None)],
         "There is 1 training row, fewer than the batch size of 4."),
        ([RemainingRows("new", 0, 0, None)],
         "No row is left to train on: all are validation rows."),
        ([RemainingRows("new", 9, 70, None)],
         "Every training row is longer than the limit of 64 tokens; the shortest has 70."),
        ([ENOUGH, RemainingRows("old", 0, 70, None)],
         "No training row of the mixed-in old can be used."),
    ],
)  # fmt: skip
def test_too_few_rows_are_reported_with_a_hint(rows: list[RemainingRows], sentence: str) -> None:
    refusal = insufficient_rows_error(rows, 64, 4)
    assert refusal is not None
    assert refusal.message == sentence
    assert refusal.hint


def test_one_row_is_enough_of_a_dataset_that_is_mixed_in() -> None:
    assert insufficient_rows_error([ENOUGH, RemainingRows("old", 1, 70, None)], 64, 4) is None
