"""A setting: a dataclass field with label, help text and range, and the check of its range."""

from collections.abc import Callable
from dataclasses import Field, dataclass, field
from typing import Any

from app.core.text.numbers import is_finite
from app.core.text.sanitize import short_repr
from app.core.text.translation import decimal, mark, tr


@dataclass(frozen=True)
class Problem:
    """A setting that can't work, with one sentence."""

    setting: str
    message: str


def setting(
    default: Any = None,
    *,
    label: str,
    help: str,
    section: str,
    bounds: tuple[float, float] | None = None,
    exclusive_minimum: bool = False,
    is_percent: bool = False,
    advanced: bool = False,
    factory: Callable[[], Any] | None = None,
) -> Any:
    """A dataclass field that carries what forms and flags need to present it.

    `bounds` are the smallest and the largest value of a number. With `is_percent`, a share is shown
    in percent; flags and files have it as a number.
    """
    metadata = {
        "label": label,
        "help": help,
        "section": section,
        "bounds": bounds,
        "exclusive_minimum": exclusive_minimum,
        "is_percent": is_percent,
        "advanced": advanced,
    }
    if factory is not None:
        return field(default_factory=factory, metadata=metadata)
    return field(default=default, metadata=metadata)


def range_problem(f: Field[Any], value: Any) -> Problem | None:
    """The problem of a number outside its setting's range; None if it is inside."""
    if f.metadata["bounds"] is None:
        return None
    low, high = f.metadata["bounds"]
    label = tr(f.metadata["label"])
    if value != value:
        return Problem(f.name, tr("{label} must be a number.", label=label))
    too_low = value <= low if f.metadata["exclusive_minimum"] else value < low
    if not is_finite(value) or too_low or value > high:
        sentence = (
            mark("{label} must be greater than {low} and at most {high}; it is {value}.")
            if f.metadata["exclusive_minimum"]
            else mark("{label} must be at least {low} and at most {high}; it is {value}.")
        )
        shown = percent if f.metadata["is_percent"] else number
        values = {"low": shown(low), "high": shown(high), "value": shown(value)}
        return Problem(f.name, tr(sentence, label=label, **values))
    if f.name == "num_layers" and value == 0:
        return Problem(f.name, tr("Layers must be -1 (all) or at least 1; with 0 nothing trains."))
    return None


def number(value: float) -> str:
    """A number as text for a sentence."""
    if not isinstance(value, int):
        return decimal(f"{value:g}")
    return short_repr(value) if abs(value) >= 10**15 else decimal(f"{value:,}")


def percent(share: float) -> str:
    """ "12.5 %" """
    return decimal(f"{100 * share:g} %")
