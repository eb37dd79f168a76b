"""Changed files in a run's folder are named, and nothing is concluded from them."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.events import EvaluationFinished
from app.core.files.folders import remove_folder
from app.library.reading.checkpoint_retention import best_step, prunable_checkpoints
from app.library.reading.checkpoints import read_choices
from app.library.reading.manifest_pointers import update_manifest_pointers
from app.library.reading.run_details import RunDetails, read_details
from app.library.run.event_lines import read_lines, sealed_line
from app.library.run.layout import CHECKPOINT_FILES
from app.library.run.manifest import read_manifest
from app.library.run.metrics import MetricsWriter, read_event_log
from app.workers.tasks.trash import keep_best_and_last
from tests.library.made_up import run_started, set_losses, write_state

MakeRun = Callable[..., Path]


@pytest.fixture
def run(make_run: MakeRun, tmp_path: Path) -> Path:
    """Checkpoints at 2, 4, 6 and 8; that of 6 is the best."""
    return make_run(tmp_path / "r", saves=(2, 4, 6, 8))


def replace_in_log(run: Path, old: str, new: str) -> None:
    path = run / "events.jsonl"
    text = path.read_text()
    assert text.count(old) == 1
    path.write_text(text.replace(old, new))


def steps_of(folders: list[Path]) -> list[int]:
    return [int(folder.name[-6:]) for folder in folders]


def bests(details: RunDetails) -> list[int]:
    return [facts.step for facts in details.checkpoints if facts.is_best]


# -- lines ---------------------------------------------------------------------------------------

EVENTS = [{"event": "evaluation_finished", "step": n, "val_loss": n / 7} for n in range(1, 9)]
LINES = [sealed_line(event, number) for number, event in enumerate(EVENTS, 1)]


def read(lines: list[str]) -> tuple[list[int], str]:
    log = read_lines("".join(lines).encode(), "log")
    return [event["step"] for event in log.events], log.problem


def test_a_log_as_it_was_written_has_no_problem() -> None:
    assert read(LINES) == (list(range(1, 9)), "")
    assert read_lines("".join(LINES).encode(), "log").events == tuple(EVENTS)


@given(line=st.integers(0, 7), at=st.integers(0, 200), bit=st.integers(0, 7))
def test_no_line_with_a_changed_bit_is_used(line: int, at: int, bit: int) -> None:
    content = bytearray(LINES[line].encode()[:-1])
    content[at % len(content)] ^= 1 << bit
    whole = [one.encode() for one in LINES]
    whole[line] = bytes(content) + b"\n"
    log = read_lines(b"".join(whole), "log")
    assert [e["step"] for e in log.events] == [n for n in range(1, 9) if n != line + 1]
    # The last line may be one that a power cut tore.
    assert f"Line {line + 1} of log was changed" in log.problem or line == 7


@given(st.integers(0, 6), st.integers(1, 7))
def test_lines_that_are_missing_are_counted(first: int, count: int) -> None:
    kept = LINES[:first] + LINES[first + count :]
    steps, problem = read(kept)
    assert steps == [n for n in range(1, 9) if not first < n <= first + count]
    gap = min(count, 8 - first) if first + count < 8 else 0
    lines = "1 line of log is" if gap == 1 else f"{gap} lines of log are"
    assert problem == (f"{lines} missing before line {first + 1}." if gap else "")


@given(st.permutations(range(8)))
def test_lines_in_another_order_are_noticed(order: list[int]) -> None:
    steps, problem = read([LINES[n] for n in order])
    assert steps == sorted(steps)
    assert bool(problem) is (order != sorted(order))


def test_lines_that_were_added_or_copied_are_not_used() -> None:
    plain = json.dumps(EVENTS[0]) + "\n"
    assert read([*LINES[:3], plain, *LINES[3:]]) == (
        list(range(1, 9)), "Line 4 of log was changed and is not used."
    )  # fmt: skip
    assert read([*LINES, LINES[0]])[0] == list(range(1, 9))
    assert "Line 9 of log was changed" in read([*LINES, LINES[0]])[1]


def test_the_first_of_many_changed_lines_are_named() -> None:
    plain = json.dumps(EVENTS[0]) + "\n"
    assert read([plain, plain, *LINES])[1] == "Lines 1 and 2 of log were changed and are not used."
    assert read([plain, *LINES, plain, plain, *[plain] * 5])[1] == (
        "Lines 1, 10, 11 and 5 more of log were changed and are not used."
    )


def test_a_line_torn_by_a_full_disk_is_no_change() -> None:
    torn = LINES[3][:20] + "\n"
    assert read([*LINES[:3], torn, *LINES[3:]]) == (list(range(1, 9)), "")
    assert read([*LINES[:3], LINES[3][:20]]) == ([1, 2, 3], "")


def test_lines_without_checksums_are_not_used() -> None:
    lines = [json.dumps(event) + "\n" for event in EVENTS]
    assert read(lines[:2]) == ([], "Lines 1 and 2 of log were changed and are not used.")


# -- the best --------------------------------------------------------------------------------------


def test_a_loss_that_was_edited_is_named_and_never_the_best(run: Path) -> None:
    replace_in_log(run, '"step":4,"val_loss":2.0', '"step":4,"val_loss":0.1')
    details = read_details(run)
    assert details.problem == "Line 4 of events.jsonl was changed and is not used."
    assert [facts.val_loss for facts in details.checkpoints] == [2.0, None, 1.0, 2.0]
    assert bests(details) == [6]
    assert best_step(run) == 6
    preferred = read_choices(run).preferred
    assert preferred is not None
    assert preferred.step == 6


def test_only_certainly_superfluous_checkpoints_are_removed(run: Path) -> None:
    replace_in_log(run, '"step":6,"val_loss":1.0', '"step":6,"val_loss":9.0')
    assert bests(read_details(run)) == []
    keep_best_and_last(run)
    # That of 6 had a loss which is lost; that of 4 lost to that of 2.
    assert sorted(steps_of(list((run / "checkpoints").iterdir()))) == [2, 6, 8]
    assert read_manifest(run)["best_adapter"] == "checkpoints/step-000006"


def test_a_truncated_log_keeps_the_checkpoints_it_does_not_mention(run: Path) -> None:
    path = run / "events.jsonl"
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(lines[:5]))  # with the loss and the checkpoint of 4
    assert steps_of(prunable_checkpoints(run)) == [4]
    path.write_text("".join(lines))
    assert steps_of(prunable_checkpoints(run)) == [2, 4]


def test_damage_stays_known_when_the_run_resumes(run: Path) -> None:
    replace_in_log(run, '"step":4,"val_loss":2.0', '"step":4,"val_loss":0.1')
    for _ in range(2):
        writer = MetricsWriter(run, (run / "metrics.bin").stat().st_size)
        writer.append(run_started(run))
        writer.append(EvaluationFinished(9, 3.0, False))
        writer.close()
        assert read_event_log(run).problem == (
            "Before the run resumed after step 8: Line 4 of events.jsonl was changed and is not "
            "used."
        )
        assert 4 not in [e.step for e in read_details(run).evaluations]
        assert steps_of(prunable_checkpoints(run)) == [2]


# -- copies ----------------------------------------------------------------------------------------


@pytest.fixture
def run_with_states(run: Path) -> Path:
    for folder in (run / "checkpoints").iterdir():
        write_state(folder, int(folder.name[-6:]))
    return run


@pytest.mark.parametrize("name", ["step-000006", "step-000005", "step-000009"])
def test_a_copied_checkpoint_is_named_as_one_and_has_no_loss(
    run_with_states: Path, name: str
) -> None:
    run = run_with_states
    place = run / "checkpoints" / name
    if place.exists():
        remove_folder(place, CHECKPOINT_FILES)
    shutil.copytree(run / "checkpoints" / "step-000002", place)
    facts = {facts.folder.name: facts for facts in read_details(run).checkpoints}
    copy = facts[name]
    assert copy.not_own == "copy of step 2"
    assert (copy.val_loss, copy.is_best, copy.is_last, copy.deltas) == (None, False, False, ())
    assert facts["step-000008"].is_last
    best = 2 if name == "step-000006" else 6
    assert best_step(run) == best
    assert place not in prunable_checkpoints(run)
    assert run / "checkpoints" / "step-000008" not in prunable_checkpoints(run)
    update_manifest_pointers(run)
    assert read_manifest(run)["adapter"] == "checkpoints/step-000008"
    assert read_manifest(run)["best_adapter"] == f"checkpoints/step-00000{best}"


def test_a_checkpoint_of_another_run_has_no_loss_of_this_one(run_with_states: Path) -> None:
    write_state(run_with_states / "checkpoints" / "step-000006", 6, settings_digest="other")
    facts = read_details(run_with_states).checkpoints[2]
    assert (facts.step, facts.not_own, facts.val_loss) == (6, "of another run", None)
    assert best_step(run_with_states) == 2


def test_an_edited_state_does_not_decide_where_it_belongs(run_with_states: Path) -> None:
    state = run_with_states / "checkpoints" / "step-000006" / "state.json"
    state.write_text(state.read_text().replace('"step": 6', '"step": 2'))
    facts = read_details(run_with_states).checkpoints[2]
    assert (facts.step, facts.not_own) == (6, "")


def test_changed_losses_in_a_complete_log_count_and_are_reported(run: Path) -> None:
    set_losses(run, {4: 0.5})
    assert best_step(run) == 4
    assert read_details(run).problem == (
        "The lowest validation loss is 1.0000 in run.json and 0.5000 in events.jsonl: one of them "
        "was changed or cut off."
    )


def test_a_log_truncated_before_the_best_validation_is_reported(run: Path) -> None:
    assert read_details(run).problem == ""
    path = run / "events.jsonl"
    lines = path.read_text().splitlines(keepends=True)
    best = next(n for n, line in enumerate(lines) if '"val_loss":1.0' in line)
    path.write_text("".join(lines[:best]))
    assert "1.0000 in run.json and 2.0000 in events.jsonl" in read_details(run).problem
    path.write_text(lines[0])
    assert "1.0000 in run.json and none in events.jsonl" in read_details(run).problem


def test_a_run_that_has_not_ended_may_have_validated_since_it_wrote_its_manifest(
    make_run: MakeRun, tmp_path: Path
) -> None:
    run = make_run(tmp_path / "cut", saves=(2, 4, 6, 8), outcome=None)
    set_losses(run, {4: 0.5})
    assert "lowest validation loss" not in read_details(run).problem


def test_with_a_log_truncated_before_the_best_validation_none_is_called_best(
    run: Path,
) -> None:
    assert bests(read_details(run)) == [6]
    path = run / "events.jsonl"
    lines = path.read_text().splitlines(keepends=True)
    cut = next(n for n, line in enumerate(lines) if '"val_loss":1.0' in line)
    path.write_text("".join(lines[:cut]))
    assert bests(read_details(run)) == []
    best = read_manifest(run)["best_adapter"]
    update_manifest_pointers(run)
    assert read_manifest(run)["best_adapter"] == best
    assert run / best not in prunable_checkpoints(run)


def test_another_runs_log_is_named_and_not_used_though_its_losses_are_equal(
    run: Path, make_run: MakeRun, tmp_path: Path
) -> None:
    other = make_run(tmp_path / "other", saves=(2, 4, 6, 8))
    shutil.copyfile(other / "events.jsonl", run / "events.jsonl")
    details = read_details(run)
    assert "events.jsonl belongs to another run and is not used." in details.problem
    assert details.evaluations == ()
    assert bests(details) == []


def test_lines_of_another_run_are_left_out_and_counted() -> None:
    own = [sealed_line(event, number, "a") for number, event in enumerate(EVENTS, 1)]
    theirs = [sealed_line(event, number, "b") for number, event in enumerate(EVENTS, 1)]
    log = read_lines("".join([*own, theirs[-1]]).encode(), "log", "a")
    assert log.events == tuple(EVENTS)
    assert log.problem == "1 line of log is from another run and not used."


@pytest.mark.parametrize("step", [2, 6])
def test_a_checkpoint_of_another_run_is_no_copy_though_their_settings_are_equal(
    run_with_states: Path, step: int
) -> None:
    state = {"settings_digest": read_manifest(run_with_states)["settings_sha256"]}
    write_state(run_with_states / "checkpoints" / "step-000006", step, run="another", **state)
    (facts,) = [c for c in read_details(run_with_states).checkpoints if c.step == 6]
    assert facts.not_own == "of another run"


def test_a_checkpoint_of_another_run_under_another_step_is_no_copy(run_with_states: Path) -> None:
    write_state(run_with_states / "checkpoints" / "step-000006", 2, settings_digest="x")
    (facts,) = [c for c in read_details(run_with_states).checkpoints if c.step == 6]
    assert facts.not_own == "of another run"
