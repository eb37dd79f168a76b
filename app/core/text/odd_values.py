"""Values from elsewhere that may be anything: whole numbers of any length, not a number, text."""

import math
from typing import Any

from app.core.text.one_line import single_line

_LONGEST = 10**15
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


def short_repr(value: Any) -> str:
    """A value in a few characters, whatever it is."""
    if type(value) is int and abs(value) >= _LONGEST:
        return f"a number of {digits(value)} digits"
    return single_line(repr(value), 40)


def digits(value: int) -> int:
    """How many a whole number has; it may have more than Python prints."""
    size = abs(value)
    rest = max(0, size.bit_length() - _EXACT_BITS)
    # Of a number that long no power of ten is computed: it would take seconds.
    count = int(math.log10(max(1, size >> rest)) + rest * math.log10(2)) + 1
    if rest:
        return count
    is_less: bool = size < 10 ** (count - 1)  # its logarithm was rounded
    is_more: bool = size >= 10**count
    return max(1, count - is_less + is_more)
