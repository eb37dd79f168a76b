"""The self-test passes on a whole copy of the app, leaves nothing, and fails on a broken one."""

import ast
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import mlx.core as mx
import numpy as np
import pytest

from app.core.errors import RunError
from app.core.files.paths import resources_dir
from app.self_test import component_checks, runs
from app.self_test import dataset_format_checks as formats
from app.self_test.command import CHECKS, Check, self_test
from tests.patience import PATIENCE_SECONDS

ROOT = Path(__file__).parents[2]

OFFLINE = """
import os, socket, sys

def forbid(event, arguments):
    if event == "socket.connect" and arguments[0].family != socket.AF_UNIX:
        os.write(2, b"a connection was tried")
        os._exit(9)

if __name__ == "__main__":
    sys.addaudithook(forbid)
    from pathlib import Path
    import app.core.files.paths as paths
    if len(sys.argv) > 1:
        folder = Path(sys.argv.pop())
        paths.resources_dir = lambda: folder
    from app.__main__ import main
    sys.argv[1:] = ["--self-test", "--json"]
    sys.exit(main())
"""


def whole_self_test(tmp_path: Path, *resources: Path) -> tuple[int, dict[str, dict[str, Any]]]:
    """Exit code and results of a process of its own; it may connect to nothing."""
    program = tmp_path / "program.py"
    program.write_text(OFFLINE)
    ended = subprocess.run(
        [sys.executable, program, *map(str, resources)], capture_output=True, text=True,
        timeout=PATIENCE_SECONDS, cwd=tmp_path,
        env=os.environ | {"TMPDIR": str(tmp_path / "tmp"), "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    found = [json.loads(line) for line in ended.stdout.splitlines()]
    assert found, ended.stderr
    assert found[-1]["passed"] is (ended.returncode == 0)
    return ended.returncode, {one["check"]: one for one in found[:-1]}


def test_a_whole_copy_passes_every_check_without_network_and_leaves_nothing(
    tmp_path: Path, own_home: Path
) -> None:
    (tmp_path / "tmp").mkdir()
    code, found = whole_self_test(tmp_path)
    assert [name for name, one in found.items() if not one["passed"]] == []
    assert (code, list(found)) == (0, [check.name for check in CHECKS])
    assert list((tmp_path / "tmp").iterdir()) == []
    assert not own_home.exists()


def test_a_copy_with_damaged_weights_and_a_missing_file_fails_the_checks_that_need_them(
    tmp_path: Path,
) -> None:
    (tmp_path / "tmp").mkdir()
    broken = tmp_path / "resources"
    shutil.copytree(resources_dir(), broken, ignore=shutil.ignore_patterns("make", "__pycache__"))
    os.truncate(broken / "starter" / "model" / "model.safetensors", 1000)
    (broken / "style" / "check-light.svg").unlink()
    code, found = whole_self_test(tmp_path, broken)
    failed = [name for name, one in found.items() if not one["passed"]]
    assert (code, failed) == (1, ["shipped files", "run, resume, export", "window"])
    assert "check-light.svg is missing" in found["shipped files"]["detail"]
    assert "model.safetensors is damaged" in found["run, resume, export"]["detail"]
    assert found["window"]["detail"] == found["run, resume, export"]["detail"]


def test_one_failed_check_is_exit_code_1_and_the_others_still_run(
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fail(_: Path) -> str:
        raise ZeroDivisionError("by zero")

    assert self_test(False, [Check("first", fail), Check("second", lambda _: "fine")]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("FAILED")
    assert "first: ZeroDivisionError: by zero" in lines[0]
    assert lines[1].startswith("ok")
    assert "second: fine" in lines[1]
    assert lines[2].startswith("1 of 2 checks failed")


def test_a_package_without_metadata_fails_the_versions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(component_checks, "PACKAGES", ("numpy", "no-such-package"))
    with pytest.raises(RunError, match="no-such-package is unknown"):
        component_checks.check_versions(Path())


def test_wrong_numbers_fail_the_arithmetic(monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong_gradient(_: object) -> Callable[[object], Any]:
        return lambda _: np.ones((128, 128), np.float32)

    mx = parts_of_mlx()
    mx.grad = wrong_gradient
    monkeypatch.setattr("app.engine.runtime.mlx_runtime.mx", mx)
    with pytest.raises(RunError, match="A gradient is off by"):
        component_checks.check_product(Path())


def parts_of_mlx() -> Any:
    return SimpleNamespace(**vars(mx))


def test_missing_architectures_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.engine.model.loading.import_architectures", lambda: ("llama",))
    with pytest.raises(RunError, match="qwen3 is missing"):
        component_checks.check_architectures(Path())


@pytest.fixture
def starter_copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "starter"
    shutil.copytree(component_checks.starter_model_dir(), folder)
    monkeypatch.setattr(component_checks, "starter_model_dir", lambda: folder)
    return folder


def test_a_template_without_the_reply_fails_the_tokenizer(starter_copy: Path) -> None:
    path = starter_copy / "tokenizer_config.json"
    values = json.loads(path.read_text())
    values["chat_template"] = "{% for m in messages %}x{% endfor %}"
    path.write_text(json.dumps(values))
    (starter_copy / "chat_template.jinja").unlink(missing_ok=True)
    with pytest.raises(RunError, match=r"The loss mask covers|refuses a chat"):
        component_checks.check_tokenizer(Path())


@pytest.mark.parametrize("name", ["jsonl", "json", "csv", "tsv", "parquet", "arrow", "txt", "md"])
def test_a_format_that_is_read_otherwise_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    whole = formats.written
    wrong = [{**row, "completion": "other"} for row in formats.ROWS]

    def written(file_format: Any) -> bytes:
        if file_format != name:
            return whole(file_format)
        with monkeypatch.context() as patch:
            patch.setattr(formats, "ROWS", wrong)
            patch.setattr(formats, "TEXT", "another text")
            return whole(file_format)

    monkeypatch.setattr(formats, "written", written)
    with pytest.raises(RunError, match=r"^rows\.\w+ holds"):
        formats.check_formats(tmp_path)


def test_a_worker_process_with_mlx_in_memory_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runs, "_tokenize_there", ast.literal_eval)
    monkeypatch.setattr(runs, "starter_model_dir", lambda: "(1, 10, True)")
    with pytest.raises(RunError, match="has MLX in memory"):
        runs.check_processes(Path())


def test_a_run_that_does_not_resume_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.engine.training.trainer.resume", lambda _: iter(()))
    with pytest.raises(RunError, match=r"made the steps \[1, 2\], not 1 to 4"):
        runs.check_run(tmp_path)


def test_an_export_without_effect_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.engine.adapter.adapter.largest_logit_change", lambda *_: 0.0)
    with pytest.raises(RunError, match="leaves the base model's logits"):
        runs.check_run(tmp_path)
