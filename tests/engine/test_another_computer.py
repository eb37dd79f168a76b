"""A run that is resumed on another computer says so, and continues."""

import json
import struct
from dataclasses import asdict, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from app.core.config.training_config import TrainingConfig
from app.core.events import LogMessage
from app.core.files.paths import runs_dir
from app.core.system.compute_environment import ComputeEnvironment, read_environments
from app.engine.runtime import mlx_runtime
from app.engine.runtime.mlx_runtime import current_computer
from app.engine.training.checkpoints import last_checkpoint
from app.engine.training.trainer import resume, train
from app.library.reading.run_details import read_details
from app.library.run.manifest import read_manifest
from app.ui.run.run_description import data_facts
from tests.engine.other_computers import OTHER, made_by


@pytest.fixture
def stopped(tiny_model: Path, chat_file: Path) -> Path:
    config = TrainingConfig(model=tiny_model, data=chat_file, steps=4, rank=2, steps_per_save=2)
    run_dir = runs_dir() / "stopped"
    list(train(replace(config, output=run_dir), stop_after=2))
    return run_dir


def log_messages(run_dir: Path) -> list[LogMessage]:
    return [e for e in resume(run_dir, stop_after=3) if isinstance(e, LogMessage)]


def test_a_run_and_its_checkpoints_say_what_computed_them(stopped: Path) -> None:
    here = current_computer()
    assert "OpenBLAS" in here.blas or here.device != "CPU" or "BLAS" in here.blas
    assert read_environments(read_manifest(stopped)) == [(0, here)]
    state = json.loads((last_checkpoint(stopped) / "state.json").read_text())
    assert state["computed_by"] == asdict(here)


def test_resuming_on_the_same_computer_logs_nothing_about_it(stopped: Path) -> None:
    assert not any("bit-equal" in message.text for message in log_messages(stopped))
    assert "Resuming after step 2." in (stopped / "log.txt").read_text()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"device": "Other 1.0"}, "Other 1.0"),
        ({"blas": "Other 1.0"}, "Other 1.0"),
        ({"mlx": "Other 1.0"}, "Other 1.0"),
        ({"arithmetic": 1}, "Nestling's arithmetic 1"),
        ({"arithmetic": 2}, "Nestling's arithmetic 2"),
    ],
)
def test_resuming_on_another_computer_is_logged_and_recorded(
    stopped: Path, change: dict[str, Any], words: str
) -> None:
    before = replace(current_computer(), **change)
    made_by(stopped, before)
    (note,) = [message for message in log_messages(stopped) if "bit-equal" in message.text]
    assert note.is_warning
    assert words in note.text
    assert note.text in (stopped / "log.txt").read_text()
    assert read_environments(read_manifest(stopped)) == [(0, before), (2, current_computer())]
    facts = dict(data_facts(read_details(stopped)))
    assert facts["Device from step 1"] == str(before)
    assert facts["Device from step 3"] == str(current_computer())
    assert not any("bit-equal" in message.text for message in resume(stopped)
                   if isinstance(message, LogMessage))  # fmt: skip


@pytest.mark.parametrize(
    ("shaders", "words"),
    [
        (b"MTLB" + bytes(8) + struct.pack("<HH", 14, 0), "1.0 (shaders for macOS 14.0)"),
        (b"MTLB" + bytes(8) + struct.pack("<HH", 26, 2), "1.0 (shaders for macOS 26.2)"),
        (b"something else", "1.0"),
        (None, "1.0"),
    ],
)
def test_the_bundle_and_an_install_with_other_shaders_are_two_computers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shaders: bytes | None, words: str
) -> None:
    """pip takes MLX's wheel for the Mac that it runs on, the bundle that for the oldest one."""
    (tmp_path / "lib").mkdir()
    if shaders is not None:
        (tmp_path / "lib" / "mlx.metallib").write_bytes(shaders)
    on_a_mac = SimpleNamespace(
        __file__=str(tmp_path / "core.so"), __version__="1.0", DeviceType=SimpleNamespace(cpu=0),
        default_device=lambda: SimpleNamespace(type=1), device_info=lambda: {"device_name": "M3"},
    )  # fmt: skip
    monkeypatch.setattr(mlx_runtime, "mx", on_a_mac)
    assert current_computer() == ComputeEnvironment("M3", "", words, mlx_runtime.NUMERICS_VERSION)


def test_an_unnumbered_arithmetic_is_the_first(stopped: Path) -> None:
    made_by(stopped, OTHER)
    manifest = read_manifest(stopped)
    del manifest["computed_by"][0]["arithmetic"]
    assert read_environments(manifest) == [(0, replace(OTHER, arithmetic=1))]


def test_a_checkpoint_of_an_older_version_resumes_and_says_what_is_unknown(
    stopped: Path,
) -> None:
    made_by(stopped, None)
    (note,) = [message for message in log_messages(stopped) if "bit-equal" in message.text]
    assert not note.is_warning
    assert "is unknown" in note.text
