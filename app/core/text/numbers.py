"""Formats losses and checks numbers from any source: NaN, infinity, integers of any length."""

import math
from typing import Any

_LARGEST = 1e30
_EXACT_BITS = 2**17
"""For longer numbers, the count of digits may be off by one near a power of ten."""


def is_measurement(value: Any) -> bool:
    """Whether a measurement can have this value: a number within the range of 32-bit floats."""
    return type(value) in (int, float) and is_finite(value) and abs(value) <= _LARGEST


def is_finite(value: Any) -> bool:
    """Whether a number is finite; accepts integers that no float can hold."""
    try:
        return math.isfinite(value)
    except OverflowError:
        return False


def digits(value: int) -> int:
    """Number of digits of an integer; it may have more than Python prints."""
    size = abs(value)
    rest = max(0, size.bit_length() - _EXACT_BITS)
    # A power of ten of this length would take seconds to compute.
    count = int(math.log10(max(1, size >> rest)) + rest * math.log10(2)) + 1
    if rest:
        return count
    is_less: bool = size < 10 ** (count - 1)  # its logarithm was rounded
    is_more: bool = size >= 10**count
    return max(1, count - is_less + is_more)


def format_loss(value: float, decimals: int) -> str:
    """2.31 is "2.310" with three decimals; 0.00012364 is "0.000124", not "0.000"."""
    is_small = 0 < abs(value) < 10.0 ** (2 - decimals)
    return f"{value:.3g}" if is_small or abs(value) >= 1e6 else f"{value:.{decimals}f}"
