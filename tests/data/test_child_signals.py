"""A signal of the terminal never ends a child process, not even while it starts."""

import os
import signal
from collections.abc import Iterator
from multiprocessing.connection import Connection

import pytest

from app.data.chat import template_process
from app.data.chat.template_process import ProcessEnded, TemplateProcess
from app.data.chat.template_server import Trial

pytestmark = pytest.mark.usefixtures("spawned_processes")
KEPT_OFF = {signal.SIGINT, signal.SIGHUP}


def tell_mask(_source: str, connection: Connection, _seconds: float) -> None:
    connection.recv()
    connection.send(signal.pthread_sigmask(signal.SIG_BLOCK, []))
    connection.recv()


@pytest.fixture
def telling(monkeypatch: pytest.MonkeyPatch) -> Iterator[TemplateProcess]:
    monkeypatch.setattr(template_process, "serve", tell_mask)
    process = TemplateProcess("")
    yield process
    process.close()


def asked(process: TemplateProcess) -> object:
    trying = process.try_template(Trial(1), 60.0)
    while True:
        try:
            next(trying)
        except StopIteration as ended:
            return ended.value


def test_a_template_process_starts_with_the_signals_of_the_terminal_kept_off(
    telling: TemplateProcess,
) -> None:
    assert asked(telling) >= KEPT_OFF  # type: ignore[operator]


def test_this_process_gets_them_as_before() -> None:
    assert not KEPT_OFF & signal.pthread_sigmask(signal.SIG_BLOCK, [])


def test_a_closed_terminal_does_not_end_a_template_process() -> None:
    process = TemplateProcess("{{ messages[0].content }}")
    assert asked(process) == ""
    assert process._process is not None
    assert process._process.pid is not None
    os.kill(process._process.pid, signal.SIGHUP)
    os.kill(process._process.pid, signal.SIGINT)
    try:
        assert asked(process) == ""
    except ProcessEnded:
        pytest.fail("it was ended")
    finally:
        process.close()
