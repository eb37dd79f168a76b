"""`nestling runs` and `nestling show`: prints the library and its runs."""

import argparse
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from app.cli.terminal import json_line, line, lines, note
from app.core.base_model import describe_check, describe_digests, read_digests
from app.core.errors import InputError
from app.core.events import json_value
from app.core.files.paths import runs_dir
from app.core.text.numbers import format_loss
from app.core.text.sanitize import single_line
from app.core.wording.results import kept_sentences, wrong_question_lines
from app.library.run.manifest import TEMPLATE_DAY

if TYPE_CHECKING:
    from app.core.base_model import BaseModelCheck, Part
    from app.library.reading.run_details import RunDetails
    from app.library.reading.run_summary import Retention, RunSummary

_COLUMNS: dict[str, dict[str, Any]] = {
    "Name": {},
    "State": {},
    "Steps": {"justify": "right"},
    "Best loss": {"justify": "right"},
    "Change from base": {"justify": "right"},
    "Known": {"justify": "right"},
    "Date": {"no_wrap": True},
    "MB": {"justify": "right"},
    "Folder": {"overflow": "fold"},
}


def print_runs(*, as_json: bool) -> int:
    """Print all runs in the library, newest first; returns the exit code."""
    from app.library.reading.run_json import summary_to_json
    from app.library.reading.run_store import list_runs

    runs = list_runs(runs_dir())
    if as_json:
        for run in runs:
            json_line(summary_to_json(run))
    elif not runs:
        line(f"No runs yet in {runs_dir()}.")
    else:
        from app.cli.rich_output import print_table

        print_table(_COLUMNS, map(_cells, runs))
        for run in runs:
            if run.problem:
                line(f"{run.run_dir.name}: {run.problem}")
    return 0


def print_run(arguments: argparse.Namespace) -> int:
    """Print one run, given by its path, folder name or name; returns the exit code. Raises
    InputError.
    """
    from app.data.files.model_files import check_base_model
    from app.library.reading.run_details import read_details, settings_toml
    from app.library.reading.run_json import details_to_json
    from app.library.reading.run_store import find_run

    details = read_details(find_run(arguments.run, runs_dir()))
    model = details.settings.get("model")
    check = partial(check_base_model, model, details.facts, also_large=arguments.whole)
    if arguments.json:
        json_line(details_to_json(details) | {"base_model_check": json_value(check())})
    elif arguments.toml:
        lines(settings_toml(details))
        if details.config is None:
            note(f"nestling: {details.config_problem}")
    else:
        _print_details(details, check())
    return 0


def _cells(run: "RunSummary") -> tuple[str, ...]:
    return (
        single_line(run.name), single_line(run.outcome, 24), f"{run.steps:,}",
        _loss(run.best_val_loss), _loss(run.base_kl), _share(run.known),
        _day(run.created), f"{run.size_bytes / 1e6:.1f}",
        run.run_dir.name,
    )  # fmt: skip


def _print_details(details: "RunDetails", base_model: "BaseModelCheck") -> None:
    run = details.summary
    report = [
        f"{single_line(run.name)}: {single_line(run.outcome, 24)}",
        f"  folder      {run.run_dir}",
        f"  base model  {single_line(run.model, 400) or '–'}",
        *(f"  {part:<10}  {', '.join(files)}" for part, files in _digest_lines(details)),
        f"  compared    {describe_check(base_model)}",
        *_started_from(details),
        f"  dataset     {single_line(run.data, 400) or '–'}",
        *_template_day(details),
        f"  steps       {run.steps:,} of {run.planned_steps:,}",
        f"  tiers       {', '.join(map(str, run.periods)) or '–'}",
        f"  best loss   {_loss(run.best_val_loss)}",
        *_clocks(details),
        f"  disk use    {run.size_bytes / 1e6:.1f} MB",
        *(f"  {text}" for text in wrong_question_lines(details.answers)),
    ]
    report += [f"  ended       {details.message}"] if details.message else []
    report += _notes(run.notes)
    report += [f"  problem     {details.problem}"] if details.problem else []
    for facts in details.checkpoints:
        marks = [m for m, is_so in (("best", facts.is_best), ("last", facts.is_last)) if is_so]
        marks += [mark for mark in (facts.not_own, facts.problem) if mark]
        loss = f"validation loss {_loss(facts.val_loss)}"
        report.append(f"  {facts.folder.name}  {loss}  {', '.join(marks)}".rstrip())
    if (base := details.base_loss_below_all) is not None:
        report.append(f"  No checkpoint has a lower loss than the base model ({_loss(base)}).")
    for text in report:
        line(text)


def _started_from(details: "RunDetails") -> list[str]:
    from app.library.reading.starting_adapter import read_started_from

    origin = read_started_from(details.facts)
    return [f"  starts from {origin}"] if origin else []


def _clocks(details: "RunDetails") -> list[str]:
    """The slow and the lasting clock, and the final divergence from the base model."""
    clocks, lines = details.started.clocks, []
    if clocks.slow_every:
        often = f"every {clocks.slow_every:,} steps"
        own = f", AdamW of its own at {clocks.slow_rate:g}×" if clocks.slow_rate else ""
        lines.append(f"  slow clock  {often}, {clocks.slow_texts:,} texts{own}")
    if clocks.lasting_pull:
        lines.append(f"  lasting     pull {clocks.lasting_pull:g}")
    if details.retention:
        last = details.retention[-1]
        lines.append(f"  from base   {last.base_kl:.4g} nats per token, on {last.texts:,} texts")
        lines += [
            f"  kept        {single_line(text, 400)}" for text in kept_sentences(details.retention)
        ]
    return lines


def _notes(text: str) -> list[str]:
    """All lines of the notes."""
    lines = [single_line(line, 1000) for line in text[:20_000].splitlines()]
    return [f"  notes       {lines[0]}", *lines[1:]] if lines else []


def _digest_lines(details: "RunDetails") -> "list[tuple[Part, tuple[str, ...]]]":
    """The run's digests of its base model, part by part."""
    try:
        digests = read_digests(details.facts)
    except InputError:
        return []
    return describe_digests(digests) if digests else []


def _template_day(details: "RunDetails") -> list[str]:
    day = details.facts.get(TEMPLATE_DAY)
    return (
        [f"  date        {single_line(str(day), 40)}, in all rows by the chat template"]
        if day
        else []
    )


def _share(kept: "Retention | None") -> str:
    return f"{kept.after} of {kept.total}" if kept and kept.total else "–"


def _loss(value: float | None) -> str:
    return "–" if value is None else format_loss(value, 4)


def _day(moment: datetime | None) -> str:
    return "–" if moment is None else f"{moment.astimezone():%Y-%m-%d %H:%M}"
