"""One place holds the version; the program and About show it with the commit and MLX's version."""

import subprocess
import sys
import tomllib
from importlib.metadata import version
from pathlib import Path

import pytest

from app import __version__
from app.core.files.paths import resources_dir
from app.core.system.version import COMMIT_FILE, bundled, commit_of, version_line
from tests.patience import PATIENCE_SECONDS

ROOT = Path(__file__).parents[2]


def git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        ["git", "-C", folder, "-c", "user.name=a", "-c", "user.email=a@b", *arguments],
        capture_output=True, text=True, check=True, timeout=PATIENCE_SECONDS,
    )  # fmt: skip
    return done.stdout.strip()


def test_the_package_takes_its_version_from_the_app() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert "version" in project["project"]["dynamic"]
    assert project["tool"]["hatch"]["version"]["path"] == "app/__init__.py"


def test_a_checkout_names_its_commit_and_that_it_was_changed_since(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q")
    (tmp_path / "a").write_text("1")
    git(tmp_path, "add", "a")
    git(tmp_path, "commit", "-q", "-m", "One")
    git(tmp_path, "tag", "v1")
    commit = git(tmp_path, "rev-parse", "HEAD")[:10]
    assert commit_of(tmp_path) == commit
    (tmp_path / "a").write_text("2")
    assert commit_of(tmp_path) == f"{commit}+"


def test_git_is_not_called_outside_a_checkout(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subprocess, "run", None)
    assert commit_of(tmp_path) == ""


def test_the_bundle_names_the_commit_it_was_built_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / COMMIT_FILE).write_text("0123456789\n")
    monkeypatch.setattr(sys, "_MEIPASS", str(tmp_path), raising=False)
    assert version_line() == f"{__version__} (commit 0123456789), MLX {version('mlx')}"
    assert resources_dir() == tmp_path / "resources"
    assert bundled("no such file") is None


def test_the_program_and_about_show_it() -> None:
    shown = subprocess.run(
        [sys.executable, "-m", "app", "--version"], capture_output=True, text=True, check=True,
        timeout=PATIENCE_SECONDS, cwd=ROOT,
    )  # fmt: skip
    assert shown.stdout == f"nestling {version_line()}\n"
