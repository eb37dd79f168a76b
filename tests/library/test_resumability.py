"""Whether a run can be resumed: list, checkpoints and engine agree."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from app.core.errors import InputError
from app.library.reading.run_details import read_details
from app.library.reading.run_summary import summarize
from app.library.run.manifest import read_manifest
from app.library.run.resumability import require_resumable
from app.ui.state.run_loading import reading_to_resume

MakeRun = Callable[..., Path]


def test_a_finished_run_resumes_from_any_checkpoint_but_its_last(
    make_run: MakeRun, tmp_path: Path
) -> None:
    run = make_run(tmp_path / "a", saves=(4, 8))
    details = read_details(run)
    assert details.resume_blocker_at(8) == "The run is complete: all 8 steps are done."
    assert details.resume_blocker_at(4) == ""
    assert not details.summary.can_resume
    assert len(reading_to_resume(run, "step-000004")().table) == 4
    with pytest.raises(InputError, match="is done: all 8 steps are done"):
        reading_to_resume(run, None)()


def test_a_run_that_ended_early_is_done_at_the_step_of_its_end(
    make_run: MakeRun, tmp_path: Path
) -> None:
    run = make_run(tmp_path / "a", saves=(4, 8))
    manifest = read_manifest(run)
    require_resumable(run, manifest, 20, 4)
    with pytest.raises(InputError, match="it ended early, at step 8"):
        require_resumable(run, manifest, 20, 8)


@pytest.mark.parametrize("outcome", ["stopped", "failed", None])
def test_a_run_cut_off_after_its_last_step_has_yet_to_end(
    make_run: MakeRun, tmp_path: Path, outcome: str | None
) -> None:
    run = make_run(tmp_path / "a", outcome=outcome, eval_sets=(Path("/d/asked.jsonl"),))
    assert summarize(run).can_resume
    assert read_details(run).resume_blocker_at(8) == ""
    assert len(reading_to_resume(run, None)().table) == 8


def test_a_run_with_changed_settings_resumes_from_nowhere(
    make_run: MakeRun, tmp_path: Path
) -> None:
    run = make_run(tmp_path / "a", outcome="stopped", saves=(4, 8))
    manifest = json.loads((run / "run.json").read_text())
    manifest["config"]["seed"] = 99
    (run / "run.json").write_text(json.dumps(manifest))
    details = read_details(run)
    assert "were changed after it began" in details.resume_blocker_at(4)
    assert "were changed after it began" in details.summary.resume_blocker
    with pytest.raises(InputError, match="changed after the run began"):
        reading_to_resume(run, "step-000004")()


def test_a_run_whose_last_checkpoint_is_gone_resumes_from_an_earlier_one(
    make_run: MakeRun, tmp_path: Path
) -> None:
    run = make_run(tmp_path / "a", outcome="stopped", saves=(4, 8))
    (run / "checkpoints" / "step-000008").rename(tmp_path / "elsewhere")
    details = read_details(run)
    assert "is missing" in details.summary.resume_blocker
    assert details.resume_blocker_at(4) == ""
