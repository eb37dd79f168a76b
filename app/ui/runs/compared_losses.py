"""The curves of runs for the comparison, by step, tokens and time. Does not import Qt."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from app.core.text.sanitize import single_line
from app.ui.state.run_loading import read_run

if TYPE_CHECKING:
    from app.library.reading.run_details import RunDetails

AXES = ("step", "tokens", "time")
MAX_COMPARED = 8
NAME_LENGTH = 22
"""The number of characters that fit into a legend or a table header."""


@dataclass(frozen=True)
class Curve:
    """A curve's values, and their x coordinates on each axis in ascending order."""

    x: dict[str, Any]
    """An array for each of `AXES`: steps, trained tokens, seconds."""
    raw: Any
    smooth: Any


@dataclass(frozen=True)
class Compared:
    details: "RunDetails"
    losses: Curve
    validation: Curve
    from_base: Curve
    """The KL divergence from the base model; empty if not measured."""
    drift: Curve
    """The L2 norm of the adapter's change since the start of the run."""

    @property
    def curves(self) -> tuple[Curve, ...]:
        return self.losses, self.validation, self.from_base, self.drift


def distinct_names(names: Sequence[str]) -> list[str]:
    """Distinct short names: their beginnings, else their beginnings and ends, else numbered."""
    names = [single_line(name) for name in names]
    for keep in (NAME_LENGTH, NAME_LENGTH // 2):
        short = [_shortened(name, keep) for name in names]
        if len(set(short)) == len(short):
            return short
    return [f"{name} ({number})" for number, name in enumerate(short, start=1)]


def _shortened(name: str, beginning: int) -> str:
    """At most NAME_LENGTH characters: `beginning` of them from the start, the rest from the end."""
    if len(name) <= NAME_LENGTH:
        return name
    end = NAME_LENGTH - beginning
    return f"{name[: beginning - 1].rstrip()}…{name[len(name) - end :].lstrip()}"


def comparing(run_dirs: Sequence[Path]) -> Callable[[], tuple[Compared, ...]]:
    """A function that reads these runs, at most eight of them."""

    def work() -> tuple[Compared, ...]:
        return tuple(_compared(run_dir) for run_dir in run_dirs[:MAX_COMPARED])

    return work


def _compared(run_dir: Path) -> Compared:
    import numpy as np

    from app.library.run.metrics import read_steps

    run = read_run(run_dir)
    losses, validation = run.series.losses, run.series.validation
    rows = read_steps(run_dir).rows
    steps = rows["step"].astype(np.int64)

    def along(wanted: Any) -> dict[str, Any]:
        """The x coordinates of these steps. A step without a record gets those of the last record
        before it.
        """
        at = np.searchsorted(steps, wanted, "right")
        tokens = np.concatenate([[0], rows["trained_tokens"].astype(np.float64)])
        seconds = np.concatenate([[0], rows["seconds"].astype(np.float64)])
        return {
            "step": wanted.astype(np.float64),
            "tokens": np.maximum.accumulate(tokens)[at],
            "time": np.maximum.accumulate(seconds)[at],
        }

    def plain(at: Any, values: Any) -> Curve:
        return Curve(along(at), values, values)

    from_base = run.series.retention
    drift = np.sqrt(np.sum(np.square(rows["drifts"].astype(np.float64)), axis=1))
    is_known = np.isfinite(drift)
    return Compared(
        run.details,
        Curve(along(losses.steps), losses.values(0), losses.values(1)),
        plain(validation.steps, validation.values()),
        plain(from_base.steps, from_base.values()),
        plain(steps[is_known], drift[is_known]),
    )
