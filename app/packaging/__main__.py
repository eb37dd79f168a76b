"""`python -m app.packaging …`: builds and checks the bundle; needs Python alone to begin."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from app.packaging.build_report import Report, StepFailed
from app.packaging.bundle_contents import ROOT

DIST, WORK = ROOT / "dist", ROOT / "build"


def main(argv: Sequence[str]) -> int:
    """Exit code 0 if every step was done or had a reason to be skipped, else 1."""
    parser = argparse.ArgumentParser(prog="python -m app.packaging", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    build = commands.add_parser(
        "build", help="build the app from the pinned versions, check, sign and pack it"
    )
    build.add_argument("--dist", type=Path, default=DIST, metavar="DIR", help="Default: dist")
    build.add_argument("--work", type=Path, default=WORK, metavar="DIR", help="Default: build")
    build.add_argument(
        "--environment", type=Path, metavar="DIR",
        help="An environment that has all packages, instead of a new one.",
    )  # fmt: skip
    check = commands.add_parser("check", help="check the files of a Nestling.app, on any system")
    check.add_argument("bundle", type=Path, metavar="APP")
    mac = commands.add_parser(
        "check-mac", help="on Linux: check the wheels for a Mac and a bundle made of them"
    )
    mac.add_argument("--work", type=Path, default=WORK, metavar="DIR", help="Default: build")
    return _carried_out(parser.parse_args(argv))


def _carried_out(arguments: argparse.Namespace) -> int:
    from app.packaging import build_steps as steps

    report = Report()
    try:
        match arguments.command:
            case "build":
                steps.build(report, arguments.dist, arguments.work, arguments.environment)
            case "check":
                steps.check_bundle(report, arguments.bundle)
            case _:
                steps.check_mac(report, arguments.work)
    except StepFailed:
        return 1
    report.close()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
