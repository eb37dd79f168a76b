"""On Linux, after a build: checks a Mac's wheels, and a bundle that is made of them.

build/environment/bin/python -m tests.packaging.check_mac
"""

import argparse
import shutil
import sys
from collections.abc import Iterable, Iterator
from importlib.metadata import distributions
from pathlib import Path

from app.packaging import build_environment as env
from app.packaging.__main__ import WORK
from app.packaging.build_report import Report, StepFailed, refuse
from app.packaging.build_steps import check_bundle
from app.packaging.bundle_check import BUDGET_BYTES, size_problem
from app.packaging.bundle_contents import ROOT
from app.packaging.licenses import license_problems
from tests.packaging import mac_wheels, simulated_bundle

PYTHON_BYTES = 36_000_000
"""Python with its libraries, and the program: what a bundle made on Linux lacks. An estimate."""


def check_mac(report: Report, work: Path) -> None:
    """What can be seen of the Mac's app on Linux; `work` is the folder that `build` worked in."""
    work = work.resolve()
    wheels, site, made = work / "mac-wheels", work / "mac-site", work / "mac-bundle"
    report.step("wheels for a Mac", lambda: _downloaded(wheels, env.this_version()))
    report.step("their tags and dependencies", lambda: _sound(mac_wheels.wheel_problems(wheels)))
    report.step("unpacking", lambda: _unpacked(wheels, site))
    report.step("their libraries", lambda: _sound(mac_wheels.site_problems(site)))
    report.step("their licenses", lambda: _sound(_license_problems(site)))
    toc = work / "pyinstaller" / "build_macos" / "COLLECT-00.toc"
    if why_not := simulated_bundle.why_not():
        report.skip("simulated bundle", why_not)
    elif not toc.is_file():
        report.skip("simulated bundle", f"{toc} is missing; run build first")
    else:
        report.step("simulated bundle", lambda: _simulated(toc, site, made))
        bundle, most = made / "Nestling.app", BUDGET_BYTES - PYTHON_BYTES
        check_bundle(report, bundle)
        report.step(
            "size without Python", lambda: _sound(filter(None, [size_problem(bundle, most)]))
        )


def _downloaded(wheels: Path, version: str) -> str:
    wheels.mkdir(parents=True, exist_ok=True)
    mac_wheels.download(wheels, version)
    files = list(wheels.glob("*.whl"))
    return f"{len(files)}, {sum(one.stat().st_size for one in files) / 1e6:.0f} MB"


def _unpacked(wheels: Path, site: Path) -> str:
    shutil.rmtree(site, ignore_errors=True)
    mac_wheels.unpack(wheels, site)
    return str(site)


def _license_problems(site: Path) -> Iterator[str]:
    return license_problems(distributions(path=[str(site)]))


def _sound(problems: Iterable[str]) -> str:
    refuse(problems)
    return "no problem"


def _simulated(toc: Path, site: Path, made: Path) -> str:
    shutil.rmtree(made, ignore_errors=True)
    # In a process of its own, which believes to be on a Mac.
    env.run([sys.executable, "-m", simulated_bundle.__name__, toc, site, made], cwd=ROOT)
    return str(made / "Nestling.app")


def main() -> int:
    """Exit code 0 if every step was done or had a reason to be skipped, else 1."""
    parser = argparse.ArgumentParser(prog="python -m tests.packaging.check_mac")
    parser.add_argument("--work", type=Path, default=WORK, metavar="DIR", help="Default: build")
    report = Report()
    try:
        check_mac(report, parser.parse_args().work)
    except StepFailed:
        return 1
    report.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
