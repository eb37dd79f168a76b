"""`nestling study`: trains tasks in turn by several arms, and reports what each one forgot."""

import argparse
import json
from contextlib import closing
from pathlib import Path

from app.cli.interrupt import Interrupt
from app.cli.terminal import json_line, line, note
from app.core.config.study import Study, load_study
from app.core.errors import InputError
from app.core.events import Event, RetentionMeasured, RunFinished, ScoreMeasured, StepFinished
from app.core.files.atomic_files import write_text_atomic
from app.core.files.untrusted_files import SHARED_FILE
from app.core.wording.results import event_line
from app.engine.runtime.mlx_runtime import close_thread
from app.engine.training.study import StudyRun, is_done, make_run, results, study_runs
from app.library.reading.study_report import markdown, to_plain

RESULTS, REPORT = "results.json", "report.md"


def study(arguments: argparse.Namespace) -> int:
    """0 when all runs are done, 130 when it was stopped, 1 when some are left."""
    plan = load_study(arguments.file)
    folder = (arguments.output or arguments.file.with_suffix("")).absolute()
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder} is a file.", "Give another folder as --output.")
    interrupt = Interrupt()
    try:
        _make_runs(plan, folder, arguments, interrupt)
    finally:
        close_thread()
        _write(plan, folder, arguments.file.stem)
    left = sum(not is_done(run) for run in study_runs(plan, folder))
    if left:
        note(f"{left} runs are left. The same command makes them.")
    elif not arguments.json:
        line(f"The report is in {folder / REPORT}.")
    return 130 if interrupt.is_requested() else 1 if left else 0


def _make_runs(
    plan: Study, folder: Path, arguments: argparse.Namespace, interrupt: Interrupt
) -> None:
    runs = study_runs(plan, folder)
    waiting = [run for run in runs if not is_done(run)]
    most = len(waiting) if arguments.most_runs is None else arguments.most_runs
    for run in waiting[:most]:
        if not arguments.json:
            line(f"Run {runs.index(run) + 1} of {len(runs)}: {run}")
        with closing(make_run(run, interrupt.is_requested)) as events:  # type: ignore[type-var]
            for event in events:
                interrupt.has_progress |= isinstance(event, StepFinished)
                _show(run, event, as_json=arguments.json)
        if interrupt.is_requested():
            return
        _write(plan, folder, arguments.file.stem)


def _show(run: StudyRun, event: Event, *, as_json: bool) -> None:
    if as_json:
        if isinstance(event, RunFinished):
            place = {"run": str(run), "folder": str(run.folder), "outcome": event.outcome}
            json_line(place | {"steps": event.steps})
    elif (isinstance(event, ScoreMeasured) and event.when == "after") or (
        isinstance(event, RetentionMeasured) and event.is_last
    ):
        line(f"  {event_line(event)}")


def _write(plan: Study, folder: Path, title: str) -> None:
    if sequences := results(plan, folder):
        text = json.dumps(to_plain(sequences), indent=1)
        write_text_atomic(folder / RESULTS, text, mode=SHARED_FILE)
        report = markdown(sequences, plan.acquisition, title)
        write_text_atomic(folder / REPORT, report, mode=SHARED_FILE)
