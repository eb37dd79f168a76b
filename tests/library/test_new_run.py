"""A new run's folder: nothing of the user's in it is overwritten, appended to or removed."""

import os
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

import pytest

from app.core.config.training_config import TrainingConfig
from app.core.errors import AppError
from app.core.events import Event, RunStarted
from app.engine.training.trainer import resume, train
from app.library.reading.run_store import free_name, list_runs
from app.library.run.label import RunLabel, write_label
from app.library.run.layout import CHECKPOINTS, RUN_FILES
from app.library.run.manifest import read_manifest
from app.library.run.recorder import RunRecorder
from app.library.run.run_folder import FolderTaken
from tests.small_disk import small_disk


def tree(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def refuse_manifests(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise AppError("The disk is full.")

    monkeypatch.setattr("app.library.run.manifest.write_json_atomic", full)


@pytest.mark.parametrize("is_there", [True, False])
def test_a_run_that_can_not_begin_removes_only_what_it_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_there: bool
) -> None:
    folder = tmp_path / "above" / "run"
    if is_there:
        folder.mkdir(parents=True)
        (folder / "thesis.txt").write_text("years of work")
    before = tree(tmp_path)
    refuse_manifests(monkeypatch)
    with pytest.raises(AppError, match="disk is full"):
        RunRecorder.create(folder, TrainingConfig(), {})
    assert tree(tmp_path) == before


def test_a_full_disk_keeps_a_file_that_came_into_the_folder_while_data_was_prepared(
    tiny_model: Path, chat_file: Path, tmp_path: Path
) -> None:
    with small_disk(tmp_path / "disk", "64k") as disk:
        output = disk.folder / "run"
        output.mkdir()
        config = TrainingConfig(model=tiny_model, data=chat_file, steps=2, rank=2, output=output)
        events = train(config)
        next(events)
        (output / "thesis.txt").write_text("years of work")
        disk.leave(0)
        with pytest.raises(AppError, match="disk is full"):
            list(events)
        assert tree(output) == ["thesis.txt"]
        assert (output / "thesis.txt").read_text() == "years of work"


@pytest.mark.parametrize("name", [*RUN_FILES, CHECKPOINTS])
@pytest.mark.parametrize("kind", ["file", "dangling"])
def test_a_file_of_the_user_s_that_has_the_name_of_a_run_s_is_refused_and_stays(
    tmp_path: Path, name: str, kind: str
) -> None:
    own = tmp_path / "r" / name
    own.parent.mkdir()
    own.write_text("mine") if kind == "file" else own.symlink_to(tmp_path / "gone")
    with pytest.raises(FolderTaken, match="already holds"):
        RunRecorder.create(tmp_path / "r", TrainingConfig(), {})
    assert os.listdir(tmp_path / "r") == [name]
    assert own.read_text() == "mine" if kind == "file" else not (tmp_path / "gone").exists()


def test_runs_that_never_find_a_free_name_end_in_a_sentence(
    tiny_model: Path, chat_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries: list[Path] = []

    def create(run_dir: Path, *_: object) -> RunRecorder:
        tries.append(run_dir)
        raise FolderTaken("The folder already holds a run.")

    monkeypatch.setattr(RunRecorder, "create", create)
    config = TrainingConfig(model=tiny_model, data=chat_file, steps=2, rank=2)
    with pytest.raises(FolderTaken):
        list(train(config, runs_dir=tmp_path / "runs"))
    assert len(tries) < 100


def test_another_run_that_began_in_the_same_second_gets_a_name_of_its_own(
    tiny_model: Path, chat_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    create: Callable[..., RunRecorder] = RunRecorder.create
    first: list[Path] = []

    def create_late(run_dir: Path, *facts: object) -> RunRecorder:
        if not first:
            first.append(run_dir)
            create(run_dir, TrainingConfig(), {}).close()
        return create(run_dir, *facts)

    monkeypatch.setattr(RunRecorder, "create", create_late)
    config = TrainingConfig(model=tiny_model, data=chat_file, steps=2, rank=2, name="x")
    started = [
        event
        for event in train(config, runs_dir=tmp_path / "runs", stop_after=1)
        if isinstance(event, RunStarted)
    ]
    assert started[0].run_dir != first[0]
    assert sorted(os.listdir(tmp_path / "runs")) == sorted([first[0].name, started[0].run_dir.name])


def test_the_second_run_of_a_name_gets_a_number_and_keeps_it(
    tiny_model: Path, chat_file: Path, tmp_path: Path
) -> None:
    library = tmp_path / "runs"
    config = TrainingConfig(
        model=tiny_model, data=chat_file, steps=3, rank=2, name="survey", steps_per_save=1
    )

    def begun(events: Iterable[Event]) -> RunStarted:
        return next(event for event in events if isinstance(event, RunStarted))

    started = [begun(list(train(config, runs_dir=library))) for _ in range(3)]
    assert [event.name for event in started] == ["survey", "survey (2)", "survey (3)"]
    listed = {run.run_dir: run.name for run in list_runs(library)}
    assert listed == {event.run_dir: event.name for event in started}
    settings = read_manifest(started[1].run_dir)["config"]
    assert settings["name"] == "survey"  # repeated, it gets a number of its own
    resumed = begun(resume(started[1].run_dir, checkpoint="step-000002"))
    assert resumed.name == "survey (2)"
    write_label(started[0].run_dir, RunLabel("other"))
    assert free_name("survey", library) == "survey"
    own = replace(config, output=tmp_path / "own")
    assert begun(train(own, runs_dir=library)).name == "survey"  # its folder is the user's
