"""Formats losses and checks numbers from any source: NaN, infinity, integers of any length."""

import math
from typing import Any

_LARGEST = 1e30
_EXACT_BITS = 2**17
"""Beyond, a count of digits may be off by one next to a power of ten."""


def is_measurement(value: Any) -> bool:
    """A number that a measurement can have come to: no 32-bit number is exceeded."""
    return type(value) in (int, float) and is_finite(value) and abs(value) <= _LARGEST


def is_finite(value: Any) -> bool:
    """Also of whole numbers that no float can hold."""
    try:
        return math.isfinite(value)
    except OverflowError:
        return False


def digits(value: int) -> int:
    """Number of digits of an integer; it may have more than Python prints."""
    size = abs(value)
    rest = max(0, size.bit_length() - _EXACT_BITS)
    # Of a number that long no power of ten is computed: it would take seconds.
    count = int(math.log10(max(1, size >> rest)) + rest * math.log10(2)) + 1
    if rest:
        return count
    is_less: bool = size < 10 ** (count - 1)  # its logarithm was rounded
    is_more: bool = size >= 10**count
    return max(1, count - is_less + is_more)


def format_loss(value: float, decimals: int) -> str:
    """2.31 is "2.310" with three decimals; 0.00012364 is "0.000124" and no "0.000"."""
    is_small = 0 < abs(value) < 10.0 ** (2 - decimals)
    return f"{value:.3g}" if is_small or abs(value) >= 1e6 else f"{value:.{decimals}f}"
