"""`nestling runs` and `nestling show`: the library in the terminal."""

import argparse
import json
import sys
from datetime import datetime
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from app.core.loss_words import loss_words
from app.core.one_line import one_line
from app.core.paths import runs_dir

if TYPE_CHECKING:
    from app.library.run_details import RunDetails
    from app.library.run_summary import RunSummary

_NUMBERS = ("Steps", "Best loss", "MB")
_WIDE = 2000


def print_asked(arguments: argparse.Namespace) -> int:
    """What the command line asks for; the exit code."""
    if arguments.command == "runs":
        return print_runs(as_json=arguments.json)
    return print_run(arguments.run, as_json=arguments.json, as_toml=arguments.toml)


def print_runs(*, as_json: bool) -> int:
    """Every run of the library, the newest first."""
    from app.library.run_store import list_runs
    from app.library.telling import summary_to_json

    runs = list_runs(runs_dir())
    if as_json:
        for run in runs:
            print(json.dumps(summary_to_json(run), ensure_ascii=False))
    elif not runs:
        print(f"No runs yet in {runs_dir()}.")
    else:
        # Another program gets each run on a line of its own, however long.
        console = Console(width=None if sys.stdout.isatty() else _WIDE)
        console.print(_runs_table(runs))
        for run in runs:
            if run.problem:
                console.print(f"{run.run_dir.name}: {run.problem}", markup=False, soft_wrap=True)
    return 0


def print_run(named: str, *, as_json: bool, as_toml: bool) -> int:
    """One run, named by its folder, its folder's name or its own. Raises InputError."""
    from app.library.run_details import read_details, settings_toml
    from app.library.run_store import find_run
    from app.library.telling import details_to_json

    details = read_details(find_run(named, runs_dir()))
    if as_json:
        print(json.dumps(details_to_json(details), ensure_ascii=False))
    elif as_toml:
        sys.stdout.write(settings_toml(details))
        if details.config is None:
            print(f"nestling: {details.config_problem}", file=sys.stderr)
    else:
        _print_details(details)
    return 0


def _runs_table(runs: "list[RunSummary]") -> Table:
    table = Table(box=None, pad_edge=False)
    for title in ("Name", "State", "Steps", "Best loss", "Date", "MB", "Folder"):
        side = "right" if title in _NUMBERS else "left"
        overflow, is_whole = ("fold" if title == "Folder" else "ellipsis"), title == "Date"
        table.add_column(title, justify=side, overflow=overflow, no_wrap=is_whole)  # type: ignore[arg-type]
    for run in runs:
        table.add_row(
            one_line(run.name), one_line(run.outcome, 24), f"{run.steps:,}",
            _loss(run.best_val_loss), _day(run.created),
            f"{run.size_bytes / 1e6:.1f}", run.run_dir.name,
        )  # fmt: skip
    return table


def _print_details(details: "RunDetails") -> None:
    run, console = details.summary, Console(highlight=False)
    lines = [
        f"{one_line(run.name)}: {one_line(run.outcome, 24)}",
        f"  folder      {run.run_dir}",
        f"  base model  {one_line(run.model, 400) or '–'}",
        f"  dataset     {one_line(run.data, 400) or '–'}",
        f"  steps       {run.steps:,} of {run.planned_steps:,}",
        f"  tiers       {', '.join(map(str, run.periods)) or '–'}",
        f"  best loss   {_loss(run.best_val_loss)}",
        f"  disk use    {run.size_bytes / 1e6:.1f} MB",
    ]
    lines += [f"  ended       {details.message}"] if details.message else []
    lines += [f"  notes       {_notes(run.notes)}"] if run.notes else []
    lines += [f"  problem     {details.problem}"] if details.problem else []
    for facts in details.checkpoints:
        marks = [m for m, is_so in (("best", facts.is_best), ("last", facts.is_last)) if is_so]
        marks += [mark for mark in (facts.not_own, facts.problem) if mark]
        loss = f"validation loss {_loss(facts.val_loss)}"
        lines.append(f"  {facts.folder.name}  {loss}  {', '.join(marks)}".rstrip())
    if (base := details.base_loss_below_all) is not None:
        lines.append(f"  No checkpoint came below the base model's {_loss(base)}.")
    for line in lines:
        console.print(line, markup=False, soft_wrap=True)


def _notes(text: str) -> str:
    """Line by line, without what a terminal would take for a command."""
    return "\n".join(one_line(line, 1000) for line in text[:20_000].splitlines())


def _loss(value: float | None) -> str:
    return "–" if value is None else loss_words(value, 4)


def _day(moment: datetime | None) -> str:
    return "–" if moment is None else f"{moment.astimezone():%Y-%m-%d %H:%M}"
