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
    arguments = parser.parse_args(argv)

    from app.packaging import build_steps as steps

    report = Report()
    try:
        if arguments.command == "build":
            steps.build(report, arguments.dist, arguments.work, arguments.environment)
        else:
            steps.check_bundle(report, arguments.bundle)
    except StepFailed:
        return 1
    report.close()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
