"""Formats numbers and tiers for ticks and readouts. Does not import Qt."""

import math

from app.core.text.translation import decimal, trn

_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def step_text(step: float) -> str:
    """For example "1,234"."""
    return decimal(f"{round(step):,}")


def step_ticks(values: list[float]) -> list[str]:
    """Labels with one unit for the whole axis: "20k, 40k", "1.5M", or plain "250"."""
    largest = max((abs(v) for v in values), default=0)
    if largest >= 1e6 and all(v % 1e4 == 0 for v in values):
        return [decimal(f"{v / 1e6:g}M") if v else "0" for v in values]
    if largest >= 1e4 and all(v % 100 == 0 for v in values):
        return [decimal(f"{v / 1e3:g}k") if v else "0" for v in values]
    return [step_text(v) for v in values]


def value_ticks(values: list[float], spacing: float) -> list[str]:
    """The number of decimals that the spacing needs, the same for all labels; tiny values as powers
    of ten.
    """
    if 0 < spacing < 1e-4:
        return [value_text(v) if abs(v) > spacing / 1e3 else "0" for v in values]
    decimals = max(0, -math.floor(math.log10(spacing) + 1e-9)) if spacing > 0 else 2
    return [decimal(f"{v:,.{decimals}f}") if v else "0" for v in values]


def value_text(value: float, digits: int = 3) -> str:
    """A number with significant digits: "2.31", "0.00420"; two for tiny values: "4.2×10⁻⁵"."""
    size = abs(value)
    if size == 0 or not math.isfinite(value):
        return "0" if size == 0 else "–"
    if size >= 1e6 or size < 1e-4:
        mantissa, exponent = f"{value:.1e}".split("e")
        mantissa = mantissa.removesuffix(".0")
        power = "10" + str(int(exponent)).translate(_SUPERSCRIPTS)
        return power if mantissa == "1" else decimal(f"{mantissa}×{power}")
    decimals = max(0, digits - 1 - math.floor(math.log10(size)))
    return decimal(f"{value:,.{decimals}f}")


def power_ticks(values: list[float]) -> list[str]:
    """Labels of a logarithmic axis: "0.02, 100", or all as powers of ten if some are tiny."""
    if all(1e-4 <= value < 1e6 for value in values):
        return [decimal(f"{value:.6f}".rstrip("0").rstrip(".")) for value in values]
    return [_power_text(value) for value in values]


def _power_text(value: float) -> str:
    mantissa, exponent = f"{value:.0e}".split("e")
    power = "10" + str(int(exponent)).translate(_SUPERSCRIPTS)
    return power if mantissa == "1" else f"{mantissa}×{power}"


def period_label(period: int) -> str:
    """For example "every 2 steps"."""
    return trn("every step", "every {n:,} steps", period)
