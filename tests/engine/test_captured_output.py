import sys
import threading
from io import StringIO

import pytest

from app.engine.model.loading import output_captured


def print_elsewhere(text: str) -> None:
    thread = threading.Thread(target=print, args=(text,))
    thread.start()
    thread.join()


def test_only_what_this_thread_prints_is_captured(capsys: pytest.CaptureFixture[str]) -> None:
    before = sys.stdout
    with output_captured() as captured:
        print("an architecture's")
        print_elsewhere("the window's")
    print("after it")
    assert captured.getvalue() == "an architecture's\n"
    assert capsys.readouterr().out == "the window's\nafter it\n"
    assert sys.stdout is before


def test_a_stream_that_another_thread_puts_in_front_stays(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    other = StringIO()
    monkeypatch.setattr(sys, "stdout", sys.stdout)  # as it was, after the test
    with output_captured() as captured:
        behind = sys.stdout
        sys.stdout = other
    assert sys.stdout is other
    print("passed on", file=behind)
    assert captured.getvalue() == ""
    assert capsys.readouterr().out == "passed on\n"


def test_a_program_without_standard_output_captures_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", None)
    with output_captured() as captured:
        print("an architecture's", flush=True)
        print_elsewhere("the window's")
    assert captured.getvalue() == "an architecture's\n"
    assert sys.stdout is None
