"""The checkpoints of a run that goes on: which of them is selected."""

from dataclasses import replace
from pathlib import Path

from pytestqt.qtbot import QtBot

from app.library.reading.run_details import RunDetails, read_details
from app.ui.run.checkpoints_view import CheckpointsView
from tests.conftest import write_run


def _shown_step(view: CheckpointsView) -> int:
    chosen = view.selected()
    assert chosen is not None
    return chosen.step


def _runs(folder: Path) -> tuple[RunDetails, RunDetails]:
    """A run as it is after its first checkpoint, and after its second."""
    later = read_details(write_run(folder / "a", saves=(4, 8)))
    first = [checkpoint for checkpoint in later.checkpoints if checkpoint.step == 4]
    earlier = replace(later, checkpoints=first)
    return earlier, later


def test_the_newest_checkpoint_is_selected_as_long_as_the_user_selects_none(
    tmp_path: Path, qtbot: QtBot
) -> None:
    view = CheckpointsView()
    qtbot.addWidget(view)
    earlier, later = _runs(tmp_path)
    view.show_run(earlier)
    assert _shown_step(view) == 4
    view.show_run(later)
    assert _shown_step(view) == 8


def test_a_checkpoint_that_the_user_selects_stays_selected(tmp_path: Path, qtbot: QtBot) -> None:
    view = CheckpointsView()
    qtbot.addWidget(view)
    earlier, later = _runs(tmp_path)
    view.show_run(later)
    view.table.select_rows([1])
    view.show_run(later)
    assert _shown_step(view) == 4
    view.show_run(earlier)
    assert _shown_step(view) == 4
