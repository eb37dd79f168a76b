"""`nestling study`: trains tasks in turn with several arms, and reports what each arm forgot."""

import argparse
from contextlib import closing
from dataclasses import replace
from time import monotonic

from app.cli.interrupt import Interrupt
from app.cli.terminal import json_line, line, note
from app.core.errors import InputError
from app.core.events import Event, RetentionMeasured, RunFinished, ScoreMeasured, StepFinished
from app.core.wording.results import event_line
from app.engine.runtime.mlx_runtime import close_thread
from app.engine.training.study import make_run
from app.library.reading.study_results import (
    REPORT,
    ReadStudy,
    StudyRun,
    is_done,
    results,
    seconds_left,
    write_reports,
)
from app.library.reading.study_results import read_study as read


def study(arguments: argparse.Namespace) -> int:
    """Train a study. Returns the exit code: 0 if all runs are done, 130 if interrupted, 1 if runs
    remain.
    """
    if arguments.most_runs is not None and arguments.most_runs < 0:
        raise InputError(f"--most-runs can't be {arguments.most_runs}.", "Give 0 or more.")
    output = arguments.output.absolute() if arguments.output else None
    plan = read(arguments.file, output, arguments.model)
    interrupt = Interrupt()
    try:
        _make_runs(plan, arguments, interrupt)
    finally:
        close_thread()
        _write(plan)
    left = sum(not is_done(run) for run in plan.runs)
    if left:
        note(f"Runs left: {left}. Repeat the command to train them.")
    elif not arguments.json:
        line(f"The report is in {plan.folder / REPORT}.")
    return 130 if interrupt.is_requested() else 1 if left else 0


def _make_runs(plan: ReadStudy, arguments: argparse.Namespace, interrupt: Interrupt) -> None:
    waiting, begun = plan.waiting, monotonic()
    most = len(waiting) if arguments.most_runs is None else arguments.most_runs
    for done, run in enumerate(waiting[:most]):
        if not arguments.json:
            left = seconds_left(monotonic() - begun, done, len(waiting) - done)
            time = f", about {max(1, round(left / 60)):,} min left" if left else ""
            line(f"Run {plan.runs.index(run) + 1} of {len(plan.runs)}: {run}{time}")
        with closing(make_run(run, interrupt.is_requested)) as events:  # type: ignore[type-var]
            for event in events:
                interrupt.has_progress |= isinstance(event, StepFinished)
                _show(run, event, as_json=arguments.json)
        if interrupt.is_requested():
            return
        _write(plan)


def _show(run: StudyRun, event: Event, *, as_json: bool) -> None:
    if as_json:
        if isinstance(event, RunFinished):
            place = {"run": str(run), "folder": str(run.folder), "outcome": event.outcome}
            json_line(place | {"steps": event.steps})
    elif (isinstance(event, ScoreMeasured) and event.when == "after") or (
        isinstance(event, RetentionMeasured) and event.is_last
    ):
        line(f"  {event_line(event)}")


def _write(plan: ReadStudy) -> None:
    write_reports(replace(plan, sequences=tuple(results(plan.study, plan.folder))))
