"""Runs met by real faults: never a crash, never a wrong resume, what is readable stays readable."""

import os
import random
import shutil
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mlx.core as mx
import pytest

from app.core.config.training_config import TierConfig, TrainingConfig
from app.core.errors import AppError
from app.core.files.paths import cache_dir
from app.engine.training.checkpoints import last_checkpoint, load_checkpoint
from app.engine.training.trainer import resume, train
from app.library.reading.manifest_pointers import update_manifest_pointers
from app.library.reading.metrics_csv import export_csv
from app.library.reading.run_details import RunDetails, read_details
from app.library.reading.run_json import details_to_json
from app.library.reading.run_store import INDEX_FILE, list_runs
from app.library.run.label import RunLabel, write_label
from app.library.run.metrics import read_steps

MakeRun = Callable[..., Path]
STEPS = 6


@pytest.fixture(scope="module")
def pair(
    tiny_model: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, dict[str, Any], Path]:
    """A run's folder cut at step 4 with checkpoints at 2, 3 and 4, and how the whole run ends."""
    folder = tmp_path_factory.mktemp("faults")
    data = folder / "data.jsonl"
    data.write_text("".join(f'{{"text": "{n} and {n * n} make a pair"}}\n' for n in range(24)))
    config = TrainingConfig(
        model=tiny_model, data=data, tiers=(TierConfig(1), TierConfig(2)), steps=STEPS, rank=2,
        learning_rate=1e-2, steps_per_save=2, steps_per_eval=3, dropout=0.1, warmup_steps=1,
        output=folder / "whole",
    )  # fmt: skip
    list(train(config))
    cut = TrainingConfig(**{**vars(config), "output": folder / "cut"})
    list(train(cut, stop_after=4))
    return folder / "cut", ending(folder / "whole"), folder


def ending(run_dir: Path) -> dict[str, Any]:
    loaded = load_checkpoint(last_checkpoint(run_dir))
    assert loaded.progress.step == STEPS
    return loaded.adapter


def look_everywhere(run_dir: Path) -> RunDetails:
    """All that the library does with a run that is only looked at."""
    list_runs(run_dir.parent)
    details = read_details(run_dir)
    details_to_json(details)
    export_csv(details, run_dir.parent / "out.csv")
    return details


def try_resume(run_dir: Path, whole: dict[str, Any]) -> bool:
    """Whether the run could be resumed; then its end must be the whole run's."""
    try:
        list(resume(run_dir))
    except AppError:
        return False
    end = ending(run_dir)
    assert set(end) == set(whole)
    assert all(mx.array_equal(end[name], whole[name]) for name in whole)
    return True


def corrupt(run_dir: Path, luck: random.Random) -> Path:
    """Change up to eight bytes somewhere in some file of the run, or cut the file off."""
    path = luck.choice(sorted(p for p in run_dir.rglob("*") if p.is_file() and p.stat().st_size))
    content = bytearray(path.read_bytes())
    at = luck.randrange(len(content))
    if luck.random() < 0.15:
        content = content[:at]
    else:
        for index in range(at, min(len(content), at + luck.choice((1, 1, 2, 8)))):
            content[index] = luck.randrange(256)
    path.write_bytes(content)
    return path


def campaign(pair: tuple[Path, dict[str, Any], Path], seeds: range) -> int:
    cut, whole, folder = pair
    resumed = 0
    for seed in seeds:
        home = folder / f"trial-{seed}"
        run_dir = home / "cut"
        shutil.copytree(cut, run_dir)
        hit = corrupt(run_dir, random.Random(seed))
        try:
            details = look_everywhere(run_dir)
            if hit.name != "metrics.bin":
                assert list(read_steps(run_dir).steps) == [1, 2, 3, 4]
            assert len(details.checkpoints) == 3
            resumed += try_resume(run_dir, whole)
        except Exception as error:
            raise AssertionError(f"seed {seed}, {hit.relative_to(run_dir)}: {error!r}") from error
        shutil.rmtree(home)
    return resumed


def test_damaged_bytes_never_crash_and_never_resume_wrongly(
    pair: tuple[Path, dict[str, Any], Path],
) -> None:
    assert 0 < campaign(pair, range(16)) < 16


@pytest.mark.slow
def test_five_hundred_damages_never_crash_and_never_resume_wrongly(
    pair: tuple[Path, dict[str, Any], Path],
) -> None:
    assert 0 < campaign(pair, range(1000, 1500)) < 500


@pytest.mark.parametrize(
    ("old", "new"), [('"seed": 0', '"seed": 1'), ('"learning_rate": 0.01', '"learning_rate": 0.1')]
)
def test_a_run_with_edited_settings_is_not_resumed_and_says_so(
    pair: tuple[Path, dict[str, Any], Path], tmp_path: Path, old: str, new: str
) -> None:
    run_dir = tmp_path / "cut"
    shutil.copytree(pair[0], run_dir)
    text = (run_dir / "run.json").read_text()
    assert old in text
    (run_dir / "run.json").write_text(text.replace(old, new))
    assert "were changed after it began" in read_details(run_dir).summary.problem
    with pytest.raises(AppError, match="changed after the run began"):
        list(resume(run_dir))


# -- folders -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "gone", ["run.json", "metrics.bin", "events.jsonl", "log.txt", "checkpoints", "label.json"]
)
def test_a_half_deleted_run_shows_the_rest(make_run: MakeRun, tmp_path: Path, gone: str) -> None:
    run = make_run(tmp_path / "r", saves=(4, 8))
    write_label(run, RunLabel("Kittens"))
    shutil.rmtree(run / gone) if gone == "checkpoints" else (run / gone).unlink()
    details = look_everywhere(run)
    assert (len(details.checkpoints) == 2) is (gone != "checkpoints")
    assert (len(details.table) == 8) is (gone != "metrics.bin")
    assert (len(details.evaluations) == 2) is (gone != "events.jsonl")
    is_reported = gone in ("run.json", "checkpoints", "metrics.bin")
    assert bool(details.problem) is is_reported
    assert bool(list_runs(tmp_path)[0].problem) is is_reported


def test_a_run_whose_measurements_are_damaged_says_how_many(
    make_run: MakeRun, tmp_path: Path
) -> None:
    run = make_run(tmp_path / "r")
    content = bytearray((run / "metrics.bin").read_bytes())
    content[-5] ^= 1
    (run / "metrics.bin").write_bytes(content)
    details = read_details(run)
    assert details.problem == "The measurements of 1 of its 8 steps are damaged."
    (run / "metrics.bin").write_bytes(b"")
    assert "metrics.bin is missing or damaged" in read_details(run).problem


@pytest.mark.parametrize("kind", ["dir", "dangling", "loop"])
@pytest.mark.parametrize("name", ["run.json", "events.jsonl", "label.json", "log.txt"])
def test_an_odd_entry_in_a_file_s_place_is_reported_or_ignored(
    make_run: MakeRun, tmp_path: Path, name: str, kind: str
) -> None:
    run = make_run(tmp_path / "r")
    write_label(run, RunLabel("Kittens"))
    (run / name).unlink()
    if kind == "dir":
        (run / name).mkdir()
    else:
        (run / name).symlink_to(run / name if kind == "loop" else tmp_path / "gone")
    look_everywhere(run)


def test_runs_copied_from_elsewhere_are_listed_in_any_state(
    make_run: MakeRun, tmp_path: Path
) -> None:
    library = tmp_path / "runs"
    make_run(library / "good")
    (library / "empty").mkdir()
    (library / "newer").mkdir()
    (library / "newer" / "run.json").write_text('{"format": 2}')
    (library / "a file").write_text("no run")
    odd = {"scores": [7], "created": 5, "tiers": "x"}
    import json

    manifest = json.loads((library / "good" / "run.json").read_text())
    for name, value in odd.items():
        (library / name).mkdir()
        changed = dict(manifest)
        if name == "tiers":
            changed["config"] = manifest["config"] | {"tiers": value}
        else:
            changed[name] = value
        (library / name / "run.json").write_text(json.dumps(changed))
    problems = {run.run_dir.name: run.problem for run in list_runs(library)}
    assert set(problems) == {"good", "empty", "newer", *odd}
    assert [name for name, problem in problems.items() if not problem] == ["good"]
    assert "newer Nestling" in problems["newer"]
    for name in problems:
        look_everywhere(library / name)


def test_a_read_only_run_is_read_and_refuses_a_label_in_a_sentence(
    make_run: MakeRun, tmp_path: Path
) -> None:
    if os.getuid() == 0:
        pytest.skip("root may write anywhere")
    run = make_run(tmp_path / "r")
    run.chmod(stat.S_IRUSR | stat.S_IXUSR)
    try:
        look_everywhere(run)
        with pytest.raises(AppError, match="no permission to write"):
            write_label(run, RunLabel("x"))
    finally:
        run.chmod(stat.S_IRWXU)


def test_a_folder_that_vanishes_while_it_is_read_causes_no_crash(tmp_path: Path) -> None:
    details = read_details(tmp_path / "gone")
    assert details.summary.outcome == "unreadable"
    assert details.checkpoints == ()
    with pytest.raises(AppError):
        update_manifest_pointers(tmp_path / "gone")


# -- the index ---------------------------------------------------------------------------------


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"format": 1, "runs": {"r": 7}}', "\udcff"])
def test_the_index_can_be_deleted_or_damaged_and_comes_back(
    make_run: MakeRun, tmp_path: Path, damage: str
) -> None:
    library = tmp_path / "runs"
    make_run(library / "r")
    listed = list_runs(library)
    index = cache_dir() / INDEX_FILE
    good = index.read_bytes()
    index.write_bytes(damage.encode("utf-8", "surrogateescape")) if damage else index.unlink()
    assert list_runs(library) == listed
    assert index.read_bytes() == good


def test_runs_that_changed_since_the_index_was_written_are_reread(
    make_run: MakeRun, tmp_path: Path
) -> None:
    library = tmp_path / "runs"
    run = make_run(library / "r", saves=(4, 8))
    (before,) = list_runs(library)
    assert (list_runs(library)[0], before.name) == (before, "cats")
    write_label(run, RunLabel("Kittens", "note"))
    assert list_runs(library)[0].name == "Kittens"
    shutil.rmtree(run / "checkpoints" / "step-000008")
    assert "is missing" in list_runs(library)[0].problem
    shutil.rmtree(run)
    assert list_runs(library) == []
