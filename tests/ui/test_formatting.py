import math
from pathlib import Path
from typing import get_args

import pytest

from app.core.text import translation
from app.core.wording.display_names import dataset_title
from app.data.row_values import IssueKind
from app.ui.look import formatting
from app.ui.plots.tick_labels import step_ticks, value_ticks
from app.ui.state.run_pace import TimeLeft
from app.ui.tables import problems_model
from app.ui.tables.runs_model import COLUMN_KEYS, RunsModel


@pytest.mark.parametrize(
    ("size_bytes", "text"),
    [
        (0, "0 bytes"),
        (999, "999 bytes"),
        (1500, "1.5 KB"),
        (52_000, "52 KB"),
        (3 * 10**9, "3.0 GB"),
    ],
)
def test_sizes(size_bytes: int, text: str) -> None:
    assert formatting.size(size_bytes) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(-1, "0 s"), (42.4, "42 s"), (95, "1 min 35 s"), (1500, "25 min"), (7500, "2 h 5 min")],
)
def test_durations(seconds: float, text: str) -> None:
    assert formatting.duration(seconds) == text


@pytest.mark.parametrize("value", [1e-4, 3e-3, 20.0, 0.1 + 0.2, 1e-12])
def test_a_number_reads_back_as_itself(value: float) -> None:
    assert float(formatting.number(value)) == value


def test_a_loss_that_is_no_number_is_a_dash() -> None:
    assert [formatting.loss(v) for v in (None, math.nan, math.inf, 1.23456)] == [
        "–",
        "–",
        "–",
        "1.235",
    ]


def test_a_small_loss_keeps_three_digits() -> None:
    losses = (0.00012364, 0.0936, 0.9358, 0.0, 4.0)
    assert [formatting.loss(v) for v in losses] == ["0.000124", "0.0936", "0.936", "0.000", "4.000"]


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (None, ""),
        (Path("/data/letters.jsonl"), "letters"),
        (Path("/data/letters/train.jsonl"), "letters"),
        (Path("/data/letters"), "letters"),
    ],
)
def test_what_a_dataset_is_called(data: Path | None, name: str) -> None:
    assert dataset_title(data) == name


def test_time_left_is_unknown_at_first_and_then_the_steps_own_pace() -> None:
    left = TimeLeft()
    left.note_step(1, 10.0)
    assert left.seconds_left(100) is None
    left.note_step(2, 11.0)
    left.note_step(3, 12.0)
    assert left.seconds_left(100) == pytest.approx(97.0)


def test_a_pause_does_not_count_as_slow_steps() -> None:
    left = TimeLeft()
    for step, now in ((1, 0.0), (2, 1.0)):
        left.note_step(step, now)
    left.hold(1.0)
    left.go_on(1001.0)
    left.note_step(3, 1002.0)
    assert left.seconds_left(13) == pytest.approx(10.0)


def test_numbers_have_the_marks_of_the_language(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(translation._Chosen, "code", "de")
    assert formatting.size(1500) == "1,5 KB"
    assert formatting.loss(1.23456) == "1,235"
    assert formatting.rate(1234.5) == "1.234"
    assert formatting.number(1e-4) == "0,0001"
    assert value_ticks([0.0, 0.5], 0.5) == ["0", "0,5"]
    assert step_ticks([0.0, 1500.0]) == ["0", "1.500"]


def test_every_kind_of_issue_has_a_name() -> None:
    assert problems_model._KINDS.keys() == set(get_args(IssueKind))


def test_the_columns_of_the_runs_are_remembered_by_names_of_any_language() -> None:
    assert len(COLUMN_KEYS) == RunsModel().columnCount()
