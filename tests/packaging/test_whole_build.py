"""The frozen program, as the one command builds it: every start that a user's computer may give it.

    pytest -m slow tests/packaging/test_whole_build.py

NESTLING_FROZEN names a folder `nestling` that was built before; without it one is built (minutes).
"""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from itertools import takewhile
from pathlib import Path

import pytest

from app import __version__
from app.core.config.training_config import TrainingConfig
from app.engine.training.trainer import train
from app.library.run.metrics import count_steps
from tests.benchmarks.start_up import RULES, SEEN, start
from tests.patience import PATIENCE_SECONDS

ROOT = Path(__file__).parents[2]
STARTS, SECONDS_TO_WINDOW = 5, 1.0
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        sys.platform != "linux", reason="on a Mac the command itself checks the app"
    ),
]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if folder := os.environ.get("NESTLING_FROZEN"):
        return Path(folder)
    work = tmp_path_factory.mktemp("build")
    command = [sys.executable, "-m", "app.packaging", "build", "--dist", work, "--work", work / "w"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return work / "nestling"


@pytest.fixture(scope="module")
def program(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A copy at a path with a space and umlauts, in which nothing can be written."""
    folder = tmp_path_factory.mktemp("moved") / "Größe und Übung"
    shutil.copytree(built, folder, symlinks=True)
    before = snapshot(folder)
    subprocess.run(["chmod", "-R", "a-w", folder], check=True)
    yield folder / "nestling"
    after = snapshot(folder)
    subprocess.run(["chmod", "-R", "u+w", folder], check=True)
    assert after == before


def copy_of_links(built: Path, folder: Path) -> Path:
    """A copy from which files can be removed."""
    return Path(shutil.copytree(built, folder / "nestling", symlinks=True, copy_function=os.link))


def snapshot(folder: Path) -> dict[str, tuple[int, int]]:
    """Size and time of each file and folder; as root, nothing else keeps a program from writing."""
    found = {str(path): path.lstat() for path in sorted(folder.rglob("*"))}
    return {path: (facts.st_size, facts.st_mtime_ns) for path, facts in found.items()}


def run(program: Path, *arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    """With nothing but `environment`, from the root folder."""
    return subprocess.run(
        [program, *map(str, arguments)], env=environment, cwd="/", capture_output=True, text=True,
        timeout=PATIENCE_SECONDS, check=False,
    )  # fmt: skip


@pytest.mark.parametrize("path", [None, "/nonexistent"], ids=["no PATH", "no compiler"])
def test_the_self_test_passes_with_an_empty_environment(program: Path, path: str | None) -> None:
    done = run(program, "--self-test", "--json", **({"PATH": path} if path else {}))
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert [one for one in found if not one["passed"]] == [], done.stderr
    assert done.returncode == 0
    assert "stylesheet" not in done.stderr


def test_a_damaged_copy_fails_its_self_test(built: Path, tmp_path: Path) -> None:
    copy = copy_of_links(built, tmp_path)
    (copy / "_internal" / "resources" / "starter" / "model" / "config.json").unlink()
    next((copy / "_internal" / "pyarrow").glob("_parquet.*.so")).unlink()
    done = run(copy / "nestling", "--self-test", "--json")
    found = [json.loads(line) for line in done.stdout.splitlines()]
    failed = {one["check"] for one in found[:-1] if not one["passed"]}
    assert done.returncode == 1
    assert {"shipped files", "dataset formats", "run, resume, export", "window"} <= failed
    assert not {"versions", "device", "arithmetic", "architectures"} & failed


def test_the_license_text_of_everything_in_it_is_there(built: Path) -> None:
    written = (built / "_internal" / "licenses.txt").read_text()
    titles = set(re.findall(r"={80}\n(.+?)(?: [\d.]+)?\n={80}", written))
    folders = built.joinpath("_internal").glob("*.dist-info")
    names = {folder.name.partition("-")[0].lower() for folder in folders}
    assert names | {"nestling", "python", "pyinstaller", "shiboken6", "safetensors", "jinja2"} <= {
        title.lower().replace("-", "_") for title in titles
    }


@pytest.mark.skipif(shutil.which("dpkg-query") is None, reason="Debian's packages alone")
def test_every_library_of_this_system_in_it_is_acknowledged(built: Path) -> None:
    titles = set(re.findall(r"={80}\n(.+)\n={80}", (built / "_internal/licenses.txt").read_text()))
    files = built.joinpath("_internal").glob("lib*.so*")
    names = {file.name for file in files if not file.is_symlink()}
    assert {"libcrypto.so.3", "libxcb-cursor.so.0"} <= names
    assert not {name for name in names if name.startswith(("libcuda", "libreadline"))}
    for name in names:
        if not name.startswith("libpython"):
            command = ["dpkg-query", "--search", f"*/{name}"]
            listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
            assert {line.split(":")[0] for line in listed.splitlines()} & titles, name


def test_a_start_that_fails_shows_a_dialog_and_is_described_in_a_file(
    built: Path, tmp_path: Path, screen: str
) -> None:
    copy = copy_of_links(built, tmp_path)
    next((copy / "_internal" / "PySide6").glob("QtSvg.*so")).unlink()
    home = tmp_path / "home"
    environment = {
        "NESTLING_HOME": str(home), "DISPLAY": screen, "QT_LOGGING_RULES": RULES
    }  # fmt: skip
    with subprocess.Popen(
        [copy / "nestling"], env=environment, cwd="/", text=True, stderr=subprocess.PIPE
    ) as window:
        assert window.stderr is not None
        lines = list(takewhile(lambda line: SEEN not in line, window.stderr))
        window.terminate()
    assert [line for line in lines if "QMessageBox" in line], lines
    assert "QtSvg" in (home / "logs" / "start.log").read_text()


def test_a_run_of_an_install_resumes_in_it_with_the_same_numbers(
    program: Path, tmp_path: Path
) -> None:
    """Both have the pinned versions here; where they differ, the run says so."""
    starter = ROOT / "resources" / "starter"
    config = TrainingConfig(model=starter / "model", data=starter / "sample", steps=6, rank=4)
    list(train(replace(config, output=tmp_path / "whole")))
    list(train(replace(config, output=tmp_path / "stopped"), stop_after=3))
    done = run(program, "resume", tmp_path / "stopped", NESTLING_HOME=str(tmp_path / "home"))
    assert done.returncode == 0, done.stderr
    log = (tmp_path / "stopped" / "log.txt").read_text()
    if "not bit-equal" not in log:
        last = [tmp_path / name / "checkpoints" / "step-000006" for name in ("whole", "stopped")]
        one, other = (folder.joinpath("adapters.safetensors").read_bytes() for folder in last)
        assert one == other
    computers = json.loads((tmp_path / "stopped" / "run.json").read_text())["computed_by"]
    assert (len(computers) == 1) is ("not bit-equal" not in log)


def test_it_names_its_version_its_commit_and_mlx(program: Path) -> None:
    shown = run(program, "--version").stdout
    assert re.fullmatch(
        rf"nestling {__version__} \(commit [0-9a-f]{{10}}\+?\), MLX [\d.]+\n", shown
    )


def test_it_trains_the_starter_for_20_steps_in_a_terminal(program: Path, tmp_path: Path) -> None:
    done = run(
        program, "demo", "--terminal", "--json", "--steps", 20, "--output", tmp_path / "run",
        NESTLING_HOME=str(tmp_path / "home"),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert [one["step"] for one in events if one["event"] == "step_finished"] == list(range(1, 21))
    assert (tmp_path / "run/checkpoints/step-000020/adapters.safetensors").is_file()


def test_large_files_are_tokenized_by_frozen_processes(program: Path, tmp_path: Path) -> None:
    rows = [{"prompt": f"What is {n}?", "completion": "word " * 60} for n in range(25_000)]
    data = tmp_path / "many.jsonl"
    data.write_text("".join(json.dumps(row) + "\n" for row in rows))
    valid = tmp_path / "valid.jsonl"
    valid.write_text(json.dumps({"prompt": "What?", "completion": "That."}) + "\n")
    model = program.parent / "_internal" / "resources" / "starter" / "model"
    done = run(
        program, "train", "--model", model, "--data", data, "--steps", 2, "--valid", valid,
        "--output", tmp_path / "run", "--json", NESTLING_HOME=str(tmp_path / "home"),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert '"outcome": "finished"' in done.stdout


@pytest.fixture
def screen() -> Iterator[str]:
    """The name of a virtual display."""
    if not (found := shutil.which("Xvfb")):
        pytest.skip("Xvfb is not installed")
    with subprocess.Popen([found, "-displayfd", "1"], stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        yield f":{server.stdout.readline().strip()}"
        server.terminate()


def test_the_window_is_seen_within_a_second_of_processor_time(
    program: Path, tmp_path: Path, screen: str
) -> None:
    """The least of some starts: other programs make processor time itself dearer."""
    begun = [
        start([str(program)], tmp_path, DISPLAY=screen, QT_QPA_PLATFORM="xcb")
        for _ in range(STARTS)
    ]
    assert min(spent for spent, _, _ in begun) <= SECONDS_TO_WINDOW


def test_the_window_trains_and_ends_with_a_checkpoint(
    program: Path, tmp_path: Path, screen: str
) -> None:
    """On a screen; without one the self-test's window trains."""
    home = tmp_path / "home"
    with subprocess.Popen(
        [program, "demo"], env={"NESTLING_HOME": str(home), "DISPLAY": screen}, cwd="/", text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    ) as window:  # fmt: skip
        while window.poll() is None and not _has_step(home):
            os.sched_yield()
        window.send_signal(signal.SIGTERM)
        _, errors = window.communicate(timeout=PATIENCE_SECONDS)
    assert window.returncode == 0, errors
    assert list(home.glob("runs/*/checkpoints/*/adapters.safetensors"))


def _has_step(home: Path) -> bool:
    return any(count_steps(path.parent) for path in home.glob("runs/*/metrics.bin"))
