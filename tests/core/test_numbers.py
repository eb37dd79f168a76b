"""Whole numbers of any length are counted in digits as they would be printed."""

import pytest

from app.core.text.numbers import digits


@pytest.mark.parametrize("exponent", [0, 1, 2, 3, 14, 15, 16, 17, 22, 23, 300, 4000, 30000])
def test_the_digits_next_to_a_power_of_ten_are_counted(exponent: int) -> None:
    assert digits(10**exponent) == exponent + 1
    assert digits(-(10**exponent)) == exponent + 1
    assert digits(10**exponent - 1) == max(1, exponent)
    assert digits(10**exponent + 1) == exponent + 1
    assert digits(8 * 10**exponent) == exponent + 1


def test_every_number_of_few_digits() -> None:
    assert all(digits(number) == len(str(number)) for number in range(20000))


def test_no_power_is_computed_for_a_number_of_millions_of_digits() -> None:
    assert digits(1 << 40_000_000) == 12_041_200
