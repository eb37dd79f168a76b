"""The plot of the rows' lengths."""

import pytest

from app.ui.data.length_plot import RowsAxis


@pytest.mark.parametrize("most", [1, 2, 3, 4, 7, 12, 4000])
def test_rows_are_counted_in_whole_numbers(qapp: object, most: int) -> None:
    ((_, ticks),) = RowsAxis("left").tickValues(0.0, 1.12 * most, 180.0)
    assert ticks[0] == 0
    assert len(ticks) > 1
    assert all(tick == round(tick) for tick in ticks)
