"""A sequential study: its runs form chains, what is done is kept, and its report says what was
measured."""

import json
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest

from app.cli.commands import run as run_command
from app.core.config.study import Study, load_study
from app.core.errors import InputError
from app.engine.training.study import make_run
from app.library.reading.starting_adapter import read_started_from
from app.library.reading.study_heat_map_svg import as_svg
from app.library.reading.study_report import TaskSequence, by_arm, markdown, mean_and_interval
from app.library.reading.study_results import is_done, results, study_runs
from app.library.run.manifest import read_manifest
from tests.made_study import two_tasks


@pytest.fixture
def file(tiny_model: Path, tmp_path: Path) -> Path:
    return two_tasks(
        tmp_path, tiny_model, 2,
        '{ name = "AdamW", tiers = [1] }',
        '{ name = "rehearsal", tiers = [1], rehearsal = 0.25, lasting_pull = 100.0 }',
        start="seeds = [3]",
    )  # fmt: skip


def test_each_run_starts_from_the_one_before_it(file: Path, tmp_path: Path) -> None:
    study = load_study(file)
    runs = study_runs(study, tmp_path / "out")
    assert [str(run) for run in runs] == [
        f"{arm}, seed 3, task {n}" for arm in ("AdamW", "rehearsal") for n in (1, 2)
    ]
    for run in runs:
        list(make_run(run, lambda: False))
    assert all(map(is_done, runs))
    for first, second in (runs[:2], runs[2:]):
        origin = read_started_from(read_manifest(second.folder))
        assert origin is not None
        assert Path(origin.folder) == first.folder / "checkpoints" / "step-000002"
    assert runs[1].config.mix == ()
    assert [(mixed.data.name, mixed.share) for mixed in runs[3].config.mix] == [
        ("task1.jsonl", 0.25)
    ]
    found = results(study, tmp_path / "out")
    assert [(one.arm, one.seed, one.steps) for one in found] == [
        ("AdamW", 3, 4),
        ("rehearsal", 3, 4),
    ]
    for run in runs:
        scores = read_manifest(run.folder)["scores"]
        after = {s["name"]: s["correct"] / s["total"] for s in scores if s["when"] == "after"}
        one = found[study.arms.index(run.arm)]
        assert one.accuracy[run.number] == (after["task1"], after["task2"])


def test_a_study_that_was_stopped_resumes_and_writes_its_report(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_command(["study", str(file), "--most-runs", "1"], lambda _: 0) == 1
    folder = file.with_suffix("")
    assert not (folder / "report.md").exists()
    assert run_command(["study", str(file)], lambda _: 0) == 0
    out = capsys.readouterr().out
    assert out.count("Run 1 of 4") == 1
    assert "Run 4 of 4: rehearsal, seed 3, task 2" in out
    assert [one["arm"] for one in json.loads((folder / "results.json").read_text())] == [
        "AdamW", "rehearsal",
    ]  # fmt: skip
    report = (folder / "report.md").read_text()
    assert "| AdamW" in report
    assert "(report.svg)" in report
    assert (folder / "report.svg").exists()


SEEN = TaskSequence("a|b", 0, ((0.9, 0.1, 0.0), (0.5, 1.0, 0.0), (0.7, 0.6, 0.8)), 0.25, 30)


def test_metrics_are_those_of_the_literature() -> None:
    assert SEEN.learned == pytest.approx((0.9 + 1.0 + 0.8) / 3)
    assert SEEN.final == pytest.approx((0.7 + 0.6 + 0.8) / 3)
    assert SEEN.backward_transfer == pytest.approx(((0.7 - 0.9) + (0.6 - 1.0)) / 2)
    assert SEEN.forgetting == pytest.approx(((0.9 - 0.7) + (1.0 - 0.6)) / 2)


def test_the_interval_is_students() -> None:
    assert mean_and_interval([1.0, 2.0, 3.0]) == pytest.approx((2.0, 4.30 / 3**0.5))


def test_arms_that_did_not_learn_are_marked() -> None:
    slow = replace(SEEN, arm="slow", accuracy=((0.4,),))
    text = markdown([SEEN, replace(SEEN, seed=1), slow], 0.85, "Facts")
    assert "| a\\|b | 2 | 30 | 0.900 ± 0.000 |" in text
    assert "| slow * | 1 | 30 | 0.400 |" in text


def test_the_picture_has_every_arm_and_each_accuracy() -> None:
    arms = by_arm([SEEN, replace(SEEN, arm="c & d")], 0.85)
    root = ElementTree.fromstring(as_svg(arms))
    texts = [text.text for text in root.iter("{http://www.w3.org/2000/svg}text")]
    assert [name in texts for name in ("a|b", "c & d")] == [True, True]
    assert texts.count("90") == 2  # of the first task after itself
    fills = [rect.get("fill") for rect in root.iter("{http://www.w3.org/2000/svg}rect")]
    assert len(fills) == 1 + 2 * 9
    assert fills[5] == "#0f6b5c"  # 1.0: the strongest colour


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("arms = []", "needs \\[\\[tasks\\]\\]"),
        ("model = 1", "can't be a path"),
        ("seeds = [0, 0]", "different seeds"),
        ('seeds = ["0"]', "whole numbers"),
        ("sedes = [0]", "has no key .sedes."),
        ("tasks = [1]", "needs \\[\\[tasks\\]\\]"),
        ('tasks = [{name = "a"}]', "names no data"),
        ('arms = [{name = "a", preset = "none"}]', "There is no preset"),
        ('arms = [{name = "a", rank = 0}]', "Rank"),
        ('arms = [{name = "a", rehearsal = 2}]', "share from 0 to 0.9"),
        ('arms = [{name = "a"}, {name = "a"}]', "the same name"),
        ("settings = 1", "must be a table"),
        ("acquisition = true", "must be a share"),
        ("= 1", "not valid TOML"),
    ],
)
def test_a_study_that_makes_no_sense_is_refused(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "study.toml"
    key = text.partition("=")[0].strip()
    whole = {
        "tasks": 'tasks = [{name = "t", data = "t.jsonl"}]',
        "arms": 'arms = [{name = "a"}]',
    }
    path.write_text("\n".join([text, *(line for name, line in whole.items() if name != key)]))
    if text == "arms = []":
        path.write_text('arms = [{name = "a"}]')
    with pytest.raises(InputError, match=message):
        study: Study = load_study(path)
        assert not study
