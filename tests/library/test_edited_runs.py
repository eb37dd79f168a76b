"""A run whose files were edited by hand: shown with what is wrong, whatever they say."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from app.core.text.sanitize import MAX_LINE_CHARACTERS, single_line
from app.library.reading.manifest_pointers import update_manifest_pointers
from app.library.reading.metrics_csv import export_csv
from app.library.reading.run_details import read_details
from app.library.reading.run_json import details_to_json
from app.library.reading.run_store import list_runs
from app.library.reading.run_summary import CHANGED, RunSummary, summarize
from app.library.run.label import RunLabel, write_label
from app.library.run.manifest import json_digest, read_manifest
from app.library.run.recorder import RunRecorder

MakeRun = Callable[..., Path]


@pytest.fixture
def run_dir(make_run: MakeRun, tmp_path: Path) -> Path:
    return make_run(tmp_path / "runs" / "r", outcome="stopped", saves=(4, 8))


def edit(run_dir: Path, **changes: Any) -> RunSummary:
    """Change the manifest; the digest of its settings is made to fit."""
    path = run_dir / "run.json"
    manifest = json.loads(path.read_text()) | changes
    decided = {name: manifest.get(name) for name in ("config", "data", "plan")}
    path.write_text(json.dumps(manifest | {"settings_sha256": json_digest(decided)}))
    return look(run_dir)


def look(run_dir: Path) -> RunSummary:
    (row,) = list_runs(run_dir.parent)
    details = read_details(run_dir)
    json.dumps(details_to_json(details))
    export_csv(details, run_dir.parent.parent / "out.csv")
    assert len(details.problem) < 1000
    return row


@pytest.mark.parametrize(
    "adapter", ["../../etc", "/etc", "checkpoints/../../..", "", "..", "\0", 7, ["a"]]
)
def test_an_adapter_outside_the_run_is_reported_and_not_used(
    run_dir: Path, adapter: object
) -> None:
    row = edit(run_dir, adapter=adapter)
    assert row.adapter_dir is None
    assert row.problem
    assert not row.can_resume


def test_an_adapter_that_exists_outside_the_run_is_not_used(run_dir: Path) -> None:
    (run_dir.parent.parent / "secret").mkdir()
    row = edit(run_dir, adapter="../../secret")
    assert row.adapter_dir is None
    assert "names an adapter outside the run's folder, ../../secret" in row.problem


@pytest.mark.parametrize("value", [10**30, 10**400, -1, True])
@pytest.mark.parametrize("name", ["steps", "planned"])
def test_impossible_counts_are_reported(run_dir: Path, name: str, value: int) -> None:
    config = json.loads((run_dir / "run.json").read_text())["config"]
    changes = {"steps": value} if name == "steps" else {"config": config | {"steps": value}}
    row = edit(run_dir, **changes)
    assert "an invalid value" in row.problem
    assert 0 <= row.steps < 2**32
    assert 0 <= row.planned_steps < 2**32


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 10**400, 1e308, True])
def test_an_invalid_best_loss_is_reported(run_dir: Path, value: float) -> None:
    row = edit(run_dir, best_val_loss=value)
    assert row.best_val_loss is None
    assert "its best validation loss" in row.problem
    assert row.can_resume  # its checkpoints know better


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("", "name is empty"),
        ("  ", "name is empty"),
        ("x" * 10_000_000, "10,000,000 characters"),
        ("a\x1b[2Jb\x00", "can't be shown"),
        ("two\nlines", "can't be shown"),
        ("\u202etxt.exe", "can't be shown"),
    ],
)
def test_a_name_that_is_hard_to_show_is_reported(run_dir: Path, name: str, words: str) -> None:
    row = edit(run_dir, name=name)
    assert words in row.problem
    assert row.name
    assert row.can_resume
    shown = single_line(row.name)
    assert len(shown) <= MAX_LINE_CHARACTERS
    assert shown.isprintable()


@pytest.mark.parametrize("tiers", [[{"period": 10**30}], [{"period": 1}] * 10_000, [{"period": 0}]])
def test_impossible_tiers_do_not_stretch_a_row(run_dir: Path, tiers: list[Any]) -> None:
    config = json.loads((run_dir / "run.json").read_text())["config"]
    row = edit(run_dir, config=config | {"tiers": tiers})
    assert len(row.periods) <= 8
    assert row.problem


def test_impossible_scores_are_reported(run_dir: Path) -> None:
    scores = [
        {"name": "retention", "when": when, "correct": 10**400, "total": 4}
        for when in ("before", "after")
    ]
    assert "a score" in edit(run_dir, scores=scores).problem


@pytest.mark.parametrize("damage", ["torn", "gone", "header"])
def test_missing_measurements_are_reported_in_the_list_too(run_dir: Path, damage: str) -> None:
    assert look(run_dir).problem == ""
    path = run_dir / "metrics.bin"
    if damage == "gone":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[: -200 if damage == "torn" else 100])
    row = look(run_dir)
    assert "easurements" in row.problem
    assert row.can_resume
    assert summarize(run_dir) == row


@pytest.mark.parametrize(
    "changes",
    [
        {"steps": 10**400}, {"adapted_layers": [10**400]}, {"adapted_layers": 7}, {"tiers": [7]},
        {"tiers": [{"period": 1}]}, {"train_examples": "many"}, {"device": None}, {"run_dir": 7},
        {"tiers": []}, {"adapted_layers": list(range(1000))},
    ],
)  # fmt: skip
def test_an_impossible_start_leaves_the_measurements_readable(
    run_dir: Path, changes: dict[str, Any]
) -> None:
    path = run_dir / "events.jsonl"
    first, _, rest = path.read_text().partition("\n")
    path.write_text(json.dumps(json.loads(first) | changes) + "\n" + rest)
    look(run_dir)
    started = read_details(run_dir).started
    assert (len(started.tiers), len(started.adapted_layers)) == (2, 4)


def test_a_label_longer_than_any_field_is_kept_and_read(run_dir: Path) -> None:
    write_label(run_dir, RunLabel("Kittens", "n" * 100_000))
    assert len(look(run_dir).notes) == 100_000


@pytest.mark.parametrize(
    "changes",
    [{"best_val_loss": 0.1}, {"steps": 7}, {"message": "All 9 steps done."}, {"note": "by hand"}],
)
def test_an_edited_manifest_is_reported_even_after_it_is_rewritten(
    run_dir: Path, changes: dict[str, Any]
) -> None:
    assert look(run_dir).problem == ""
    assert edit(run_dir, **changes).problem == CHANGED
    update_manifest_pointers(run_dir)
    assert look(run_dir).problem == CHANGED
    RunRecorder.reopen(run_dir, 0, None).close()
    assert CHANGED in look(run_dir).problem


def test_a_manifest_of_an_older_version_has_no_digest_of_its_own(run_dir: Path) -> None:
    path = run_dir / "run.json"
    path.write_text(json.dumps(read_manifest(run_dir) | {"best_val_loss": 0.1}))
    assert look(run_dir).problem == ""
