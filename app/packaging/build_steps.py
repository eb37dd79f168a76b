"""The steps of each command, in order; each is a line of the report."""

import os
import sys
from pathlib import Path

from app.packaging import build_environment as env
from app.packaging.build_report import Report, StepFailed, refuse
from app.packaging.bundle_contents import LARGE_BYTES, LARGE_PARTS, ROOT
from app.packaging.distribution import distribute, why_no_tools

LINUX_BUDGET_BYTES = 450_000_000


def build(report: Report, dist: Path, work: Path, environment: Path | None) -> None:
    """A clean environment, the app, its checks, its self-test, and what is handed out."""
    dist, work = dist.resolve(), work.resolve()
    report.step("this Python", env.check_this_python)
    if sys.platform == "darwin":
        report.step("Xcode's tools", _tools_there)
    folder = (environment or work / "environment").absolute()
    if environment is None:
        report.step("environment", lambda: env.make_environment(folder))
    else:
        report.skip("environment", f"{folder} was named")
    python = env.python_of(folder)
    report.step("PyInstaller", lambda: _freeze(python, dist, work))
    if sys.platform == "darwin":
        _check_in(report, python, dist / "Nestling.app")
    else:
        report.step("contents", lambda: check_folder(dist / "nestling"))
    report.step("self-test", lambda: self_test(program_of(dist)))
    distribute(report, dist / "Nestling.app")


def program_of(dist: Path) -> Path:
    """The executable that PyInstaller made."""
    if sys.platform == "darwin":
        return dist / "Nestling.app" / "Contents" / "MacOS" / "Nestling"
    return dist / "nestling" / "nestling"


def _tools_there() -> str:
    if why := why_no_tools():
        raise StepFailed(why)
    return "codesign, lipo, install_name_tool"


def _freeze(python: Path, dist: Path, work: Path) -> str:
    strict = {
        "PYINSTALLER_STRICT_COLLECT_MODE": "1", "PYINSTALLER_STRICT_BUNDLE_CODESIGN_ERROR": "1",
        "PYINSTALLER_VERIFY_BUNDLE_SIGNATURE": "1",
    }  # fmt: skip
    log = env.run(
        [python, "-m", "PyInstaller", "--noconfirm", "--distpath", dist, "--workpath",
         work / "pyinstaller", ROOT / "build_macos.spec"],
        cwd=ROOT, env=os.environ | strict,
    )  # fmt: skip
    refuse(line for line in log.splitlines() if "ERROR: Hidden import" in line)
    return str(program_of(dist))


def check_folder(folder: Path) -> str:
    """On Linux: size and links. Gives the largest parts."""
    refuse(
        f"{path} leads nowhere."
        for path in folder.rglob("*")
        if path.is_symlink() and not path.exists()
    )
    sizes = part_sizes(folder / "_internal")
    total = sum(sizes.values()) + (folder / "nestling").stat().st_size
    if total > LINUX_BUDGET_BYTES:
        raise StepFailed(f"{total / 1e6:.0f} MB; the budget is {LINUX_BUDGET_BYTES / 1e6:.0f}.")
    return f"{total / 1e6:.0f} MB: " + "; ".join(large_parts(sizes))


def large_parts(sizes: dict[str, int]) -> list[str]:
    """The largest parts first, each with its reason. Raises StepFailed for one without."""
    found = []
    for name, size in sorted(sizes.items(), key=lambda item: -item[1]):
        if size < LARGE_BYTES:
            break
        known = [part for part in LARGE_PARTS if name.startswith(part)]
        if not known:
            raise StepFailed(
                f"{name} has {size / 1e6:.0f} MB; give its reason in bundle_contents.LARGE_PARTS, "
                "or leave it out."
            )
        found.append(f"{name} {size / 1e6:.0f} ({LARGE_PARTS[max(known, key=len)]})")
    return found


def part_sizes(folder: Path) -> dict[str, int]:
    """Bytes of each file and folder in `folder`; links count nothing."""
    sizes: dict[str, int] = {}
    for path in folder.rglob("*"):
        if path.is_file() and not path.is_symlink():
            part = path.relative_to(folder).parts[0]
            sizes[part] = sizes.get(part, 0) + path.stat().st_size
    return sizes


def self_test(program: Path) -> str:
    """The frozen program tests itself, with an empty environment and no folder of its own."""
    output = env.run([program, "--self-test"], env={}, cwd="/")
    return output.splitlines()[-1]


def _check_in(report: Report, python: Path, bundle: Path) -> None:
    """The check reads Mach-O files with a package that the build environment has."""
    report.step(
        "bundle",
        lambda: env.run([python, "-m", "app.packaging", "check", bundle], cwd=ROOT).strip(),
    )


def check_bundle(report: Report, bundle: Path) -> None:
    """Its files; a size over budget is said, and no reason to hand out no app."""
    from app.packaging.bundle_check import bundle_problems, size_problem

    def work() -> str:
        refuse(bundle_problems(bundle))
        size = sum(part_sizes(bundle).values())
        return f"{bundle}, {size / 1e6:.0f} MB"

    report.step("files of the bundle", work)
    if why := size_problem(bundle):
        report.skip("size", why)
