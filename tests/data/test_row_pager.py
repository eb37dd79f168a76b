"""Any example of files that are no tokens yet, found by reading up to it."""

import json
from pathlib import Path

import pytest

from app.core.errors import InputError
from app.core.progress import drain
from app.data.inspection.row_previews import KEPT_ROWS, PlacedExample, RowPager


def write(path: Path, numbers: range, bad_every: int = 0) -> Path:
    lines = []
    for number in numbers:
        if bad_every and number % bad_every == 0:
            lines.append("{oops")
        lines.append(json.dumps({"text": f"row {number}"}))
    path.write_text("\n".join(lines) + "\n")
    return path


def texts(found: tuple[PlacedExample, ...]) -> list[str]:
    return [one.example.text for one in found]  # type: ignore[union-attr]


def test_a_page_far_on_and_one_before_it_are_the_rows_of_the_file(tmp_path: Path) -> None:
    cursor = RowPager([write(tmp_path / "a.jsonl", range(3000), bad_every=7)], None)
    assert texts(drain(cursor.go_to(2500, 3))) == ["row 2500", "row 2501", "row 2502"]
    assert texts(drain(cursor.go_to(2300, 2))) == ["row 2300", "row 2301"]
    assert texts(drain(cursor.go_to(1, 2))) == ["row 1", "row 2"]
    (one,) = drain(cursor.go_to(14, 1))
    assert (one.number, one.example.place.line) == (14, 18), (
        "after three bad rows and fourteen good ones"
    )


def test_a_page_behind_the_end_is_the_last_one(tmp_path: Path) -> None:
    cursor = RowPager([write(tmp_path / "a.jsonl", range(10))], None)
    assert texts(drain(cursor.go_to(10**6, 4))) == [f"row {i}" for i in range(6, 10)]
    assert texts(drain(cursor.go_to(8, 4))) == ["row 8", "row 9"]


def test_the_files_of_a_set_are_gone_through_one_after_the_other(tmp_path: Path) -> None:
    files = [write(tmp_path / "a.jsonl", range(5)), write(tmp_path / "b.jsonl", range(5, 9))]
    found = drain(RowPager(files, None).go_to(3, 4))
    assert [(one.path.name, one.number) for one in found] == [
        ("a.jsonl", 3), ("a.jsonl", 4), ("b.jsonl", 5), ("b.jsonl", 6),
    ]  # fmt: skip
    assert texts(found) == ["row 3", "row 4", "row 5", "row 6"]


def test_a_closed_iteration_resumes_from_there(tmp_path: Path) -> None:
    cursor = RowPager([write(tmp_path / "a.jsonl", range(3000))], None)
    going = cursor.go_to(2900, 2)
    reached = [next(going) for _ in range(5)]
    going.close()
    further = cursor.go_to(2900, 2)
    assert next(further) > reached[-1] >= KEPT_ROWS
    assert texts(drain(further)) == ["row 2900", "row 2901"]


def test_a_file_that_was_not_there_is_read_once_it_is(tmp_path: Path) -> None:
    cursor = RowPager([tmp_path / "a.jsonl"], None)
    with pytest.raises(InputError):
        drain(cursor.go_to(0, 2))
    write(tmp_path / "a.jsonl", range(3))
    assert texts(drain(cursor.go_to(0, 2))) == ["row 0", "row 1"]
