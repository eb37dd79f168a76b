"""A run started from the page does as the Statistics predict."""

import json
from collections.abc import Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from io import StringIO
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import pytest
from pytestqt.qtbot import QtBot

from app.cli.commands import run
from app.core.config.training_config import MixedDataset
from app.core.events import LogMessage
from app.core.system import child_processes
from app.ui.data.data_page import DataPage
from app.ui.run.run_actions import RunActions
from app.ui.state.run_state import Phase
from app.window_services import Services

LIMIT = 64

Row = dict[str, Any]


def pairs(count: int, word: str = "word") -> list[Row]:
    """Rows with replies of several lengths, all within the limit."""
    return [{"prompt": f"{word} {i}", "completion": "no" * (1 + i % 5)} for i in range(count)]


REFUSED = {"messages": [{"role": "assistant", "content": "answers nothing"}]}
CUT = {"prompt": "long", "completion": "yes " * 40}
USELESS = {"prompt": "long " * 40, "completion": "yes"}
BAD = {"prompt": "no answer", "completion": ""}


def write(path: Path, rows: Sequence[Row]) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@dataclass(frozen=True)
class Case:
    rows: Sequence[Row]
    valid: Sequence[Row] = ()
    mixed: Sequence[Row] = ()
    share: float = 0.0
    settings: Sequence[tuple[str, Any]] = ()


CASES = {
    "refused by the model and bad": Case([*pairs(18), *[REFUSED] * 4, BAD, BAD]),
    "cut, and nothing left before the limit": Case([*pairs(18), *[USELESS] * 3, CUT, CUT]),
    "held out": Case([*pairs(20), USELESS, CUT], settings=[("validation_split", 0.3)]),
    "a validation file": Case(
        [*pairs(16), USELESS, REFUSED, CUT], valid=[*pairs(5, "other"), USELESS, CUT]
    ),
    # Each row of the second is taken once, so that what is expected of it is what is trained.
    "mixed": Case([*pairs(16), USELESS, CUT], mixed=[*pairs(17, "old"), REFUSED], share=0.5),
    # Nine batches make three whole steps, so that the last takes nothing of the next epoch.
    "batches together, of which all is trained": Case(
        [*pairs(34), CUT, USELESS],
        settings=[("grad_accumulation_steps", 3), ("mask_prompt", False)],
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_the_figures_are_those_that_the_run_reports(
    services: Services,
    data_page: DataPage,
    actions: RunActions,
    tmp_path: Path,
    qtbot: QtBot,
    name: str,
) -> None:
    case = CASES[name]
    data = write(tmp_path / "new" / "train.jsonl", case.rows).parent
    if case.valid:
        write(data / "valid.jsonl", case.valid)
    settings: dict[str, Any] = {"validation_split": 0.0, **dict(case.settings)}
    if case.mixed:
        old = write(tmp_path / "old.jsonl", case.mixed)
        settings["mix"] = (MixedDataset(old, case.share),)
    work, state = services.data_work, services.state
    state.change_config(max_seq_length=LIMIT, batch_size=4, bad_rows="skip", data=data)
    state.change_config(**settings)
    services.datasets.read_again()
    qtbot.waitUntil(lambda: len(work.statistics.all) == 1 + bool(case.mixed))
    counted = {one.name: one for one in data_page.statistics.counted.shown}
    figures = {one.name: one for one in data_page.statistics.run.shown}
    checked = check_report(state)

    steps = int(figures["Steps per epoch"].value)
    state.change_config(steps=steps)
    notes: list[str] = []
    state.run_event_received.connect(
        lambda event: notes.append(event.text) if isinstance(event, LogMessage) else None
    )
    actions.start.trigger()
    qtbot.waitUntil(lambda: state.phase in (Phase.FINISHED, Phase.FAILED))
    assert state.phase is Phase.FINISHED, state.run_failure
    assert state.started is not None
    assert state.step is not None

    started = state.started
    assert steps == started.steps_per_epoch == checked["epoch"]["steps"]
    examples = [
        work.statistics.all[i].train.usable_rows(LIMIT) for i in range(len(work.statistics.all))
    ]
    assert sum(examples) == started.train_examples
    assert counted["Examples"].value == f"{examples[0]} to train on"
    assert checked["tokens"]["train_rows"] == examples[0]
    valid_rows = sum(one.valid.usable_rows(LIMIT) for one in work.statistics.all)
    assert valid_rows == started.valid_examples
    trained = counted["Trained tokens"].value
    if case.mixed:
        trained = figures["Tokens per epoch"].note.removeprefix("about ").removesuffix(" trained")
    assert trained == f"{state.step.trained_tokens:,}"
    assert checked["epoch"]["trained_tokens"] == state.step.trained_tokens
    assert counted["Tokens"].value == f"{checked['tokens']['tokens']:,}"
    assert counted["Trained tokens"].value == f"{checked['tokens']['trained_tokens']:,}"
    left_out = sum(one.left_out(LIMIT) for one in work.statistics.all)
    left_out_notes = [note for note in notes if "left out; the first" in note]
    assert [note.split()[0] for note in left_out_notes] == ([str(left_out)] if left_out else [])
    cut = sum(
        s.truncated_rows(LIMIT) for one in work.statistics.all for s in (one.train, one.valid)
    )
    cut_notes = [note for note in notes if "cut at the end" in note]
    assert [note.split()[0] for note in cut_notes] == ([str(cut)] if cut else [])


def check_report(state: Any) -> dict[str, Any]:
    """`nestling check` with the settings of the page."""
    config = state.config
    arguments = ["check", str(config.data), "--model", str(config.model), "--json"]
    names = ("max_seq_length", "batch_size", "grad_accumulation_steps", "validation_split", "seed")
    for name in names:
        arguments += [f"--{name.replace('_', '-')}", str(getattr(config, name))]
    arguments += [] if config.mask_prompt else ["--no-mask-prompt"]
    for mixed in config.mix:
        arguments += ["--mix", f"{mixed.data}={mixed.share}"]
    # In a process of its own: while the window loads a model, what this one prints is caught.
    here, there = child_processes.PROCESSES.Pipe(duplex=False)
    process = child_processes.PROCESSES.Process(target=send_output, args=(arguments, there))
    process.start()
    there.close()
    found: dict[str, Any] = json.loads(here.recv())
    process.join()
    return found


def send_output(arguments: Sequence[str], to: Connection) -> None:
    with redirect_stdout(StringIO()) as printed:
        run(arguments, lambda _: 0)
    to.send(printed.getvalue())
