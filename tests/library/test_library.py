"""Runs on disk: named, listed with what is wrong, exported whole."""

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from app.core.config.presets import preset
from app.core.config.training_config import TrainingConfig
from app.core.errors import InputError, RunError
from app.core.files.paths import cache_dir
from app.library.reading.checkpoint_retention import checkpoint_folders
from app.library.reading.run_details import read_details
from app.library.reading.run_store import INDEX_FILE, export_checkpoint_in_steps, list_runs
from app.library.run.label import RunLabel, write_label
from app.library.run.layout import ADAPTER_FILES, LABEL_FILE, MANIFEST_FILE
from app.library.run.manifest import json_digest, read_manifest
from app.library.run.recorder import RunRecorder
from app.library.run.run_folder import choose_run_dir, run_name
from tests.at_once import export_checkpoint

MakeRun = Callable[..., Path]
CHECKPOINT = Path("checkpoints", "step-000008")


def test_a_run_is_listed_with_what_it_says_of_itself(make_run: MakeRun, tmp_path: Path) -> None:
    checkpoint = make_run(tmp_path / "2026-01-01-cats") / CHECKPOINT
    (run,) = list_runs(tmp_path)
    assert (run.name, run.outcome, run.steps) == ("cats", "finished", 8)
    assert run.adapter_dir == checkpoint
    assert run.size_bytes > 0
    assert run.problem == ""


@pytest.mark.parametrize(
    ("settings", "method"),
    [
        (preset("learn-and-keep").settings, "Learn and keep"),
        (preset("one-pace").settings, "Just learn"),
        ({}, "By tiers"),
        ({"lasting_pull": 3.0}, "Custom"),
    ],
)
def test_a_run_is_listed_with_its_learning_method(
    make_run: MakeRun, tmp_path: Path, settings: dict[str, object], method: str
) -> None:
    make_run(tmp_path / "runs" / "one", **settings)
    for _ in range(2):  # read from its folder, then from the index
        assert [run.method for run in list_runs(tmp_path / "runs")] == [method]


def test_settings_that_can_t_be_read_have_no_learning_method(
    make_run: MakeRun, tmp_path: Path
) -> None:
    manifest = make_run(tmp_path / "one") / MANIFEST_FILE
    manifest.write_text(manifest.read_text().replace('"lasting_pull": 0.0', '"lasting_pull": "x"'))
    (run,) = list_runs(tmp_path)
    assert (run.method, run.periods) == ("", (1, 2))


def test_the_newest_run_comes_first(make_run: MakeRun, tmp_path: Path) -> None:
    for name in ("2026-01-01-a", "2026-03-01-c", "2026-02-01-b"):
        make_run(tmp_path / name)
    assert [run.run_dir.name[-1] for run in list_runs(tmp_path)] == ["c", "b", "a"]


def test_a_library_that_is_not_there_yet_is_empty(tmp_path: Path) -> None:
    assert list_runs(tmp_path / "none") == []


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "can't be read"),
        ("[]", "is not a run's manifest"),
        ('{"format": 1}', "lacks 'name'"),
        ('{"format": 99}', "newer Nestling"),
        ("", "can't be read"),
        ("[" * 200_000, "can't be read"),
    ],
)
def test_a_broken_run_is_listed_with_its_problem(
    make_run: MakeRun, tmp_path: Path, text: str, words: str
) -> None:
    make_run(tmp_path / "good")
    bad = tmp_path / "bad"
    bad.mkdir()
    (bad / "run.json").write_text(text)
    runs = {run.run_dir.name: run for run in list_runs(tmp_path)}
    assert runs["good"].problem == ""
    assert runs["bad"].outcome == "unreadable"
    assert words in runs["bad"].problem


def test_a_label_that_no_reader_gets_through_hides_no_run(
    make_run: MakeRun, tmp_path: Path
) -> None:
    (make_run(tmp_path / "r") / LABEL_FILE).write_text("[" * 200_000)
    (run,) = list_runs(tmp_path)
    assert (run.outcome, run.is_whole) == ("finished", True)
    assert "label.json is damaged" in run.problem


def test_a_damaged_label_is_kept_when_another_is_written(make_run: MakeRun, tmp_path: Path) -> None:
    run_dir = make_run(tmp_path / "r")
    (run_dir / LABEL_FILE).write_text('{"name": "Kitt')
    write_label(run_dir, RunLabel("Cats"))
    assert (run_dir / "label-damaged-1.json").read_text() == '{"name": "Kitt'
    (run,) = list_runs(tmp_path)
    assert (run.name, run.problem) == ("Cats", "")


@pytest.mark.parametrize("moment", ["9999-12-31T23:59:59-23:00", "0001-01-01T00:00:00+14:00"])
def test_a_date_that_no_calendar_shows_is_the_runs_problem(
    make_run: MakeRun, tmp_path: Path, moment: str
) -> None:
    manifest = make_run(tmp_path / "r") / MANIFEST_FILE
    manifest.write_text(json.dumps(json.loads(manifest.read_text()) | {"created": moment}))
    (run,) = list_runs(tmp_path)
    assert run.outcome == "unreadable"
    assert "is damaged" in run.problem


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("created", None, "its date can't be read"),
        ("created", "yesterday", "its date can't be read"),
        ("scores", [7], "its scores can't be read"),
        ("scores", [{"when": "before"}], "its scores can't be read"),
        ("config", {"tiers": None}, "its tiers can't be read"),
        ("config", {"tiers": ["fast"]}, "its tiers can't be read"),
    ],
)
def test_a_part_of_the_manifest_that_can_t_be_read_is_named(
    make_run: MakeRun, tmp_path: Path, key: str, value: object, words: str
) -> None:
    manifest = make_run(tmp_path / "r") / MANIFEST_FILE
    manifest.write_text(json.dumps(json.loads(manifest.read_text()) | {key: value}))
    (run,) = list_runs(tmp_path)
    assert run.problem == f"run.json is damaged: {words}. Put the old file back."


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "a value is missing or not quoted (line 1, column 1)"),
        (b'{"name": "\xff"}', "it is not UTF-8"),
    ],
)
def test_a_manifest_that_is_no_json_says_so_in_plain_words(
    make_run: MakeRun, tmp_path: Path, content: bytes, words: str
) -> None:
    manifest = make_run(tmp_path / "r") / MANIFEST_FILE
    manifest.write_bytes(content)
    (run,) = list_runs(tmp_path)
    assert run.problem == f"{manifest} can't be read: {words}."


def test_an_ending_that_is_no_sentence_is_not_shown(make_run: MakeRun, tmp_path: Path) -> None:
    manifest = make_run(tmp_path / "r") / MANIFEST_FILE
    manifest.write_text(json.dumps(json.loads(manifest.read_text()) | {"message": {"a": 1}}))
    assert read_details(tmp_path / "r").message == ""


def test_a_date_that_no_calendar_shows_is_not_taken_from_the_index(
    make_run: MakeRun, tmp_path: Path
) -> None:
    make_run(tmp_path / "runs" / "r")
    (run,) = list_runs(tmp_path / "runs")
    assert run.created is not None
    index = cache_dir() / INDEX_FILE
    kept = index.read_text()
    assert run.created.isoformat() in kept
    index.write_text(kept.replace(run.created.isoformat(), "9999-12-31T23:59:59-23:00"))
    assert [found.created for found in list_runs(tmp_path / "runs")] == [run.created]


def test_links_that_lead_to_themselves_hide_nothing(make_run: MakeRun, tmp_path: Path) -> None:
    run_dir = make_run(tmp_path / "runs" / "r")
    for loop in (run_dir.parent / "loop", run_dir / "checkpoints" / "loop"):
        loop.symlink_to(loop)
    assert [run.run_dir for run in list_runs(run_dir.parent)] == [run_dir]
    assert checkpoint_folders(run_dir)


def test_a_pipe_in_the_manifests_place_is_not_waited_for(tmp_path: Path) -> None:
    (tmp_path / "r").mkdir()
    os.mkfifo(tmp_path / "r" / MANIFEST_FILE)
    assert "isn't a file" in list_runs(tmp_path)[0].problem


def test_a_folder_that_is_no_run_says_so(tmp_path: Path) -> None:
    (tmp_path / "holiday").mkdir()
    assert "no run.json" in list_runs(tmp_path)[0].problem


def test_a_run_whose_adapter_was_deleted_says_so(make_run: MakeRun, tmp_path: Path) -> None:
    checkpoint = make_run(tmp_path / "r") / CHECKPOINT
    for file in checkpoint.iterdir():
        file.unlink()
    checkpoint.rmdir()
    (run,) = list_runs(tmp_path)
    assert run.adapter_dir is None
    assert "is missing" in run.problem


def test_an_export_holds_the_adapter_and_nothing_of_the_run(
    make_run: MakeRun, tmp_path: Path
) -> None:
    checkpoint = make_run(tmp_path / "r") / CHECKPOINT
    target = export_checkpoint(checkpoint, tmp_path / "out" / "cats")
    assert sorted(os.listdir(target)) == ["adapter_config.json", "adapters.safetensors"]
    assert (target / "adapters.safetensors").read_bytes() == b"{}"


def test_an_export_says_how_far_it_is_and_leaves_nothing_when_it_is_closed(
    make_run: MakeRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.core.files.untrusted_files._PIECE_BYTES", 1)
    checkpoint = make_run(tmp_path / "r") / CHECKPOINT
    whole = sum((checkpoint / name).stat().st_size for name in ADAPTER_FILES)
    shares = list(export_checkpoint_in_steps(checkpoint, tmp_path / "whole"))
    assert shares == [byte / whole for byte in range(1, whole + 1)]
    exporting = export_checkpoint_in_steps(checkpoint, tmp_path / "out" / "cats")
    next(exporting)
    exporting.close()
    assert not (tmp_path / "out").exists()


def test_an_export_never_writes_over_anything(make_run: MakeRun, tmp_path: Path) -> None:
    checkpoint = make_run(tmp_path / "r") / CHECKPOINT
    (tmp_path / "out").mkdir()
    with pytest.raises(InputError, match="already exists"):
        export_checkpoint(checkpoint, tmp_path / "out")


def test_half_an_adapter_is_not_exported(make_run: MakeRun, tmp_path: Path) -> None:
    checkpoint = make_run(tmp_path / "r") / CHECKPOINT
    (checkpoint / "adapter_config.json").unlink()
    with pytest.raises(InputError, match=r"adapter_config\.json is missing"):
        export_checkpoint(checkpoint, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_two_runs_in_one_second_have_folders_of_their_own(tmp_path: Path) -> None:
    config = TrainingConfig(data=Path("/d/cats.jsonl"))
    first = choose_run_dir(config, tmp_path)
    first.mkdir()
    second = choose_run_dir(config, tmp_path)
    assert first != second
    assert not second.exists()


@pytest.mark.parametrize(
    ("data", "name", "expected"),
    [
        ("/d/cats.jsonl", "", "cats"),
        ("/d/cats.jsonl", "My run: 1/2", "My run: 1/2"),
        ("/d/pets/train.jsonl", "", "pets"),
        ("/d/pets", "", "pets"),
    ],
)
def test_a_run_is_named_after_its_data(data: str, name: str, expected: str) -> None:
    assert run_name(TrainingConfig(data=Path(data), name=name)) == expected


def test_a_name_becomes_a_safe_folder(tmp_path: Path) -> None:
    config = replace(TrainingConfig(data=Path("/d/x.jsonl")), name="../../etc: 1/2 ü")
    folder = choose_run_dir(config, tmp_path)
    assert folder.parent == tmp_path
    assert folder.name.endswith("etc-1-2-ü")


def test_the_manifest_says_how_the_run_ended(make_run: MakeRun, tmp_path: Path) -> None:
    make_run(tmp_path / "r", outcome="stopped")
    manifest = read_manifest(tmp_path / "r")
    assert (manifest["outcome"], manifest["message"]) == ("stopped", "Done.")
    written = json.loads((tmp_path / "r" / "run.json").read_text())
    assert written == manifest | {"own_sha256": json_digest(manifest)}


def test_a_run_that_says_running_and_is_not_claimed_was_interrupted(tmp_path: Path) -> None:
    recorder = RunRecorder.create(tmp_path / "r", TrainingConfig(), {})
    assert list_runs(tmp_path)[0].outcome == "running"
    recorder.close()  # as the system does when the process dies
    assert list_runs(tmp_path)[0].outcome == "interrupted"


def test_a_folder_that_another_run_took_is_refused(tmp_path: Path) -> None:
    first = RunRecorder.create(tmp_path / "r", TrainingConfig(), {})
    with pytest.raises(InputError, match="being trained by another program"):
        RunRecorder.create(tmp_path / "r", TrainingConfig(), {})
    first.close()
    with pytest.raises(InputError, match="already holds a run"):
        RunRecorder.create(tmp_path / "r", TrainingConfig(), {})


def test_a_file_that_vanishes_while_the_library_is_listed_is_no_problem(
    make_run: MakeRun, tmp_path: Path
) -> None:
    make_run(tmp_path / "r")
    (tmp_path / "r" / "dangling").symlink_to(tmp_path / "gone")
    assert list_runs(tmp_path)[0].problem == ""


def test_a_run_whose_folder_was_deleted_notices_at_its_next_checkpoint(tmp_path: Path) -> None:
    recorder = RunRecorder.create(tmp_path / "r", TrainingConfig(), {})
    shutil.rmtree(tmp_path / "r")
    with pytest.raises(RunError, match="was deleted while it was training"):
        recorder.synced_metrics_bytes()
    recorder.close()


def test_a_run_cut_off_after_its_last_checkpoint_has_finished_but_for_its_questions(
    make_run: MakeRun, tmp_path: Path
) -> None:
    make_run(tmp_path / "done", outcome=None)
    make_run(tmp_path / "cut", outcome=None, steps=8, saves=(4,))
    make_run(tmp_path / "unasked", outcome=None, eval_sets=(tmp_path / "questions.jsonl",))
    outcomes = {run.run_dir.name: run.outcome for run in list_runs(tmp_path)}
    assert outcomes == {"done": "finished", "cut": "interrupted", "unasked": "interrupted"}
