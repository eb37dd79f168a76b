"""The packaging says what it did, what it skipped and why, and stops where a step fails."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from app.packaging import build_environment as environment
from app.packaging import build_steps as steps
from app.packaging import distribution
from app.packaging.__main__ import main
from app.packaging.build_environment import check_this_python, requirements, run
from app.packaging.build_report import Report, StepFailed, refuse
from tests.patience import PATIENCE_SECONDS


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The commands that would be called on a Mac."""
    called: list[str] = []

    def record(command: list[object], **_: object) -> str:
        called.append(" ".join(str(part) for part in command))
        if "create" in called[-1] and "hdiutil" in called[-1]:
            Path(str(command[-1])).write_bytes(b"x")
        return ""

    monkeypatch.setattr(distribution, "run", record)
    monkeypatch.setattr("platform.system", lambda: "Darwin")
    return called


def test_on_linux_everything_that_needs_a_mac_is_skipped_with_its_reason(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("platform.system", lambda: "Linux")
    report = Report()
    distribution.distribute(report, Path("Nestling.app"))
    report.close()
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[1].rstrip(":") for line in lines[:3]] == [
        "signature",
        "notarization",
        "disk",
    ]
    assert all("needs macOS's own tools" in line for line in lines[:3])
    assert lines[3].endswith("3 steps skipped.")


def test_without_a_developer_id_the_app_is_signed_ad_hoc_and_not_notarized(
    commands: list[str], capsys: pytest.CaptureFixture[str], tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.delenv(distribution.IDENTITY_VARIABLE, raising=False)
    distribution.distribute(Report(), tmp_path / "Nestling.app")
    output = capsys.readouterr().out
    assert "signature: ad hoc" in output
    assert f"no Developer ID in {distribution.IDENTITY_VARIABLE}" in output
    assert not [one for one in commands if "notarytool" in one]
    assert [one for one in commands if "hdiutil create" in one]


def test_with_credentials_app_and_image_are_notarized_and_stapled(
    commands: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(distribution.IDENTITY_VARIABLE, "Developer ID Application: A (B)")
    monkeypatch.setenv(distribution.PROFILE_VARIABLE, "profile")
    distribution.distribute(Report(), tmp_path / "Nestling.app")
    order = [one for one in commands if "notarytool" in one or "staple" in one or "--sign" in one]
    kinds = [
        "submit" if "submit" in one else "staple" if "staple" in one else "sign" for one in order
    ]
    assert kinds == ["submit", "staple", "sign", "submit", "staple"]
    assert all("--keychain-profile profile" in one for one in order if "submit" in one)


@pytest.mark.parametrize("identity", ["", "-", "  "])
def test_ad_hoc_is_no_identity(identity: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """PyInstaller turns on the hardened runtime for any identity."""
    monkeypatch.setenv(distribution.IDENTITY_VARIABLE, identity)
    assert distribution.signing_identity() is None


def test_a_step_that_fails_ends_the_command_with_1(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    pytest.importorskip("macholib", reason="comes with the package extra")
    assert main(["check", str(tmp_path)]) == 1
    output = capsys.readouterr().out
    assert "FAILED" in output
    assert "Contents/MacOS/Nestling is missing." in output.splitlines()


def test_a_command_that_fails_gives_its_last_words() -> None:
    with pytest.raises(StepFailed, match=r"(?s)ended with 3:.*no luck"):
        run([sys.executable, "-c", "print('no luck'); raise SystemExit(3)"])


def test_long_lists_of_problems_are_counted() -> None:
    refuse([])
    with pytest.raises(StepFailed, match="… and 2 more"):
        refuse(str(number) for number in range(42))


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("version_info", (3, 10, 1), "it must be 3.11 to 3.13"),
        ("platform", "win32", "the app is for macOS"),
    ],
)
def test_a_python_that_can_not_build_is_refused(
    monkeypatch: pytest.MonkeyPatch, name: str, value: object, words: str
) -> None:
    monkeypatch.setattr(environment.sys, name, value)
    with pytest.raises(StepFailed, match=words):
        check_this_python()


def test_an_intel_python_on_a_mac_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment.sys, "platform", "darwin")
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    with pytest.raises(StepFailed, match="not for Apple silicon"):
        check_this_python()


def test_pyinstaller_is_in_the_package_extra_alone_and_pinned() -> None:
    assert [one for one in requirements() if one.startswith("pyinstaller")]
    pins = environment.CONSTRAINTS.read_text().splitlines()
    for name in ("pyinstaller==", "pyinstaller-hooks-contrib==", "macholib==", "altgraph=="):
        assert [line for line in pins if line.startswith(name)]
    text = (environment.ROOT / "pyproject.toml").read_text()
    assert text.count("pyinstaller") == 1


def test_each_large_part_has_its_reason() -> None:
    sizes = {"small": 10, "mlx": 5_000_000, "mlx_cpu.libs": 6_000_000}
    assert steps.large_parts(sizes) == [
        "mlx_cpu.libs 6 (LAPACK for MLX's CPU build; Linux alone)",
        "mlx 5 (arrays and gradients; on a Mac 147 MB of it are Metal's shaders)",
    ]
    with pytest.raises(StepFailed, match="torch has 9 MB; give its reason"):
        steps.large_parts(sizes | {"torch": 9_000_000})


def test_an_older_python_gets_the_required_versions() -> None:
    code = "import sys; sys.version_info = (3, 9, 6, 'final', 0); import app.packaging"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=environment.ROOT, capture_output=True, text=True,
        check=False, timeout=PATIENCE_SECONDS,
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.startswith("Nestling needs Python 3.11 to 3.13; this is 3.9.")


def _fat(folder: Path) -> None:
    (folder / "_internal" / "large").write_bytes(bytes(2000))


def _dangling(folder: Path) -> None:
    (folder / "_internal" / "link").symlink_to("nowhere")


@pytest.mark.parametrize(
    ("plant", "words"), [(_fat, "the budget is"), (_dangling, "leads nowhere")]
)
def test_a_linux_folder_over_budget_or_with_a_lost_link_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, plant: Callable[[Path], None], words: str
) -> None:
    (tmp_path / "_internal").mkdir()
    (tmp_path / "nestling").write_bytes(b"x")
    monkeypatch.setattr(steps, "LINUX_BUDGET_BYTES", 1000)
    assert steps.check_folder(tmp_path).startswith("0 MB")
    plant(tmp_path)
    with pytest.raises(StepFailed, match=words):
        steps.check_folder(tmp_path)
