"""The command: runs every check in a temporary home and prints a line for each."""

import os
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from app.cli.terminal import json_line, line
from app.core.errors import AppError
from app.core.files.paths import HOME_VARIABLE
from app.core.text.sanitize import error_text
from app.self_test import component_checks, runs
from app.self_test.dataset_format_checks import check_formats


@dataclass(frozen=True)
class Check:
    name: str
    run: Callable[[Path], str]
    """Gets an empty folder of its own; gives what it found as a phrase. Raises what is wrong."""


@dataclass(frozen=True)
class Result:
    check: str
    passed: bool
    detail: str
    seconds: float

    def __str__(self) -> str:
        mark = "ok    " if self.passed else "FAILED"
        return f"{mark} {self.seconds:5.1f} s  {self.check}: {self.detail}"


def results(checks: Sequence[Check], folder: Path) -> Iterator[Result]:
    """Run each check, the others too where one fails."""
    for number, check in enumerate(checks):
        own = folder / f"check-{number}"
        own.mkdir()
        begun = time.perf_counter()
        passed, detail = _outcome(check, own)
        yield Result(check.name, passed, detail, time.perf_counter() - begun)


def _outcome(check: Check, folder: Path) -> tuple[bool, str]:
    try:
        return True, check.run(folder)
    except AppError as error:
        return False, str(error)
    except Exception as error:  # a self-test reports defects instead of ending by one
        return False, f"{type(error).__name__}: {error_text(error)}"


EXIT_FAILED = 1


def _check_window(folder: Path) -> str:
    from app.self_test.window import check_window

    return check_window(folder)


CHECKS = (
    Check("versions", component_checks.check_versions),
    Check("shipped files", component_checks.check_resources),
    Check("device", component_checks.check_device),
    Check("arithmetic", component_checks.check_product),
    Check("architectures", component_checks.check_architectures),
    Check("tokenizer and template", component_checks.check_tokenizer),
    Check("dataset formats", check_formats),
    Check("worker process", runs.check_processes),
    Check("run, resume, export", runs.check_run),
    Check("window", _check_window),
)
"""In the order in which they run; the window is last, as it takes the main thread."""


def self_test(as_json: bool, checks: Sequence[Check] = CHECKS) -> int:
    """Exit code 0 if all checks pass, 1 if one fails. Needs no network and leaves no file."""
    begun, failed = time.perf_counter(), 0
    with _own_home() as folder:
        for result in results(checks, folder):
            failed += not result.passed
            _show(result, as_json)
        _release_device()
    seconds = time.perf_counter() - begun
    if as_json:
        json_line({"passed": not failed, "failed": failed, "seconds": round(seconds, 2)})
    else:
        verdict = f"{failed} of {len(checks)} checks failed" if failed else "All checks passed"
        line(f"{verdict} in {seconds:.1f} s.")
    return EXIT_FAILED if failed else 0


def _show(result: Result, as_json: bool) -> None:
    if as_json:
        json_line({**asdict(result), "seconds": round(result.seconds, 2)})
    else:
        line(str(result))


def _release_device() -> None:
    from app.engine.runtime.mlx_runtime import close_thread

    close_thread()


@contextmanager
def _own_home() -> Iterator[Path]:
    """A folder that goes afterwards; library, cache and temporary files are in it."""
    before = {name: os.environ.get(name) for name in (HOME_VARIABLE, "TMPDIR")}
    earlier = tempfile.tempdir
    with tempfile.TemporaryDirectory(prefix="nestling-self-test-") as folder:
        home, temporary = Path(folder, "home"), Path(folder, "tmp")
        temporary.mkdir()
        os.environ[HOME_VARIABLE] = str(home)
        os.environ["TMPDIR"] = tempfile.tempdir = str(temporary)
        try:
            yield Path(folder)
        finally:
            tempfile.tempdir = earlier
            for name, value in before.items():
                if value is None:
                    os.environ.pop(name, None)
                else:
                    os.environ[name] = value
