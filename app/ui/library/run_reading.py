"""Reads a run and prepares what its plots show, as plain functions for the background thread."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from app.library.run_details import RunDetails
    from app.ui.plots.run_series import RunSeries


@dataclass(frozen=True)
class ReadRun:
    details: "RunDetails"
    series: "RunSeries"


def reading(run_dir: Path) -> Callable[[], ReadRun]:
    """All of a run, also of a broken one."""

    def work() -> ReadRun:
        from app.library.run_details import read_details
        from app.library.step_records import no_steps
        from app.ui.plots.run_series import RunSeries

        details = read_details(run_dir)
        series = RunSeries(details.started)
        series.add_table(details.table)
        for evaluation in details.evaluations:
            series.add_evaluation(evaluation)
        # A long run's steps as they were recorded take more room than all that is drawn of them.
        return ReadRun(replace(details, table=no_steps()), series)

    return work
