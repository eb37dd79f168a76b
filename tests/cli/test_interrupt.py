"""Interrupts that come where Python has nothing to end, or where it drops errors."""

import signal
import subprocess
import sys
from threading import Event

import pytest

from app.cli.interrupt import ending_in_order
from tests.patience import PATIENCE_SECONDS

INTERRUPTED_IMPORT = """
import signal, sys, app.__main__

signal.signal(signal.SIGINT, signal.default_int_handler)  # a job in the background ignores it

class Finder:
    def find_spec(self, name, *_):
        if name == "app.cli.commands":
            signal.raise_signal(signal.SIGINT)

sys.meta_path.insert(0, Finder())
app.__main__.main()
"""


def test_an_interrupt_while_the_program_is_imported_ends_it_without_a_traceback() -> None:
    ended = subprocess.run(
        [sys.executable, "-c", INTERRUPTED_IMPORT], capture_output=True, timeout=PATIENCE_SECONDS
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (-signal.SIGINT, b"", b"")


class Dropping:
    def __init__(self, number: signal.Signals) -> None:
        self._number = number

    def __del__(self) -> None:
        signal.raise_signal(self._number)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interrupt_that_python_drops_comes_again(number: signal.Signals) -> None:
    """In `__del__`, say, which some library's object has."""
    before = signal.getsignal(number)
    signal.signal(number, signal.SIG_DFL)
    try:
        with pytest.raises(KeyboardInterrupt), ending_in_order():
            Dropping(number)
            Event().wait(PATIENCE_SECONDS)
            pytest.fail("The interrupt was lost.")
        assert signal.getsignal(number) is signal.SIG_DFL
    finally:
        signal.signal(number, before)
