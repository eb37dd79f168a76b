"""The environment that the app is built in: a new one, with the pinned versions alone."""

import platform
import subprocess
import sys
import venv
from collections.abc import Sequence
from pathlib import Path

from app.core.files.strict_parsing import parse_toml
from app.packaging.build_report import StepFailed
from app.packaging.bundle_contents import ROOT
from app.packaging.info_plist import MINIMUM_SYSTEM

CONSTRAINTS = ROOT / ".constraints.txt"
SUPPORTED = ((3, 11), (3, 14))
"""From, and before which version of Python."""
PLATFORM = f"macosx_{MINIMUM_SYSTEM.replace('.', '_')}_arm64"
"""On a newer Mac pip would take MLX's wheel for macOS 26, whose shaders older systems refuse."""


def python_of(environment: Path) -> Path:
    return environment / "bin" / "python"


def check_this_python() -> str:
    """Raises StepFailed where the app can't be built."""
    if not SUPPORTED[0] <= sys.version_info[:2] < SUPPORTED[1]:
        raise StepFailed(f"Python {platform.python_version()}; it must be 3.11 to 3.13.")
    if sys.platform == "darwin" and platform.machine() != "arm64":
        raise StepFailed(
            "This Python is not for Apple silicon; install the arm64 or universal2 one."
        )
    if sys.platform not in ("darwin", "linux"):
        raise StepFailed(f"{sys.platform}: the app is for macOS; Linux builds a folder of it.")
    return f"Python {platform.python_version()}, {platform.machine()}"


def make_environment(folder: Path) -> str:
    """A new environment in `folder` with the app's packages and PyInstaller; not the app itself,
    which is read from this checkout."""
    venv.EnvBuilder(clear=True, with_pip=True).create(folder)
    wheels = folder / "wheels"
    if sys.platform == "darwin":
        _pip(folder, "download", "--dest", wheels, *mac_options(this_version()), *requirements())
        _pip(folder, "install", "--no-index", "--find-links", wheels, *requirements())
    else:
        _pip(folder, "install", *requirements())
    return f"{_count(folder)} packages in {folder}"


def requirements() -> Sequence[str]:
    """The app's own and the `package` extra, as pyproject.toml has them."""
    project = parse_toml((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return [*project["dependencies"], *project["optional-dependencies"]["package"]]


def mac_options(version: str) -> Sequence[str]:
    """How pip chooses wheels for the oldest Mac that the app runs on, for Python `version`."""
    abi = f"cp{version.replace('.', '')}"
    return (
        "--only-binary=:all:", "--platform", PLATFORM, "--python-version", version,
        "--implementation", "cp", "--abi", abi, "--abi", "abi3", "--abi", "none",
    )  # fmt: skip


def this_version() -> str:
    """ "3.12": Python's, as pip names it."""
    return f"{sys.version_info.major}.{sys.version_info.minor}"


def _pip(environment: Path, command: str, *arguments: str | Path) -> None:
    run(
        [python_of(environment), "-m", "pip", command, "--quiet", "--disable-pip-version-check",
         "--constraint", CONSTRAINTS, *arguments],
    )  # fmt: skip


def _count(environment: Path) -> int:
    done = subprocess.run(
        [python_of(environment), "-m", "pip", "list", "--format=freeze"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return len(done.stdout.splitlines())


def run(command: Sequence[str | Path], **options: object) -> str:
    """Its output. Raises StepFailed with the end of it where the command fails."""
    done = subprocess.run(
        list(command), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
        **options,  # type: ignore[call-overload]
    )  # fmt: skip
    output: str = done.stdout
    if done.returncode:
        name = " ".join(str(part) for part in command[:4])
        raise StepFailed(f"{name} … ended with {done.returncode}:\n{output[-4000:]}")
    return output
