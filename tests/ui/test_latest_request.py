"""Of several questions only the latest is answered; a process that dies is asked once more."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from pytestqt.qtbot import QtBot

from app.ui.state.latest_request import LatestRequest
from app.ui.system.deferred_calls import Throttle
from app.workers.background_job import JobEnded

DIED = "The process died."


class Process:
    """Keeps what it is asked, to be answered by the test."""

    def __init__(self) -> None:
        self.asked: list[tuple[Any, Callable[[object], None], Callable[[JobEnded], None]]] = []
        self.cancelled: list[int] = []

    def run(self, job: Any, take: Callable[[object], None], end: Callable[[JobEnded], None]) -> int:
        self.asked.append((job, take, end))
        return len(self.asked)

    def cancel(self, number: int) -> None:
        self.cancelled.append(number)

    def answer(self, number: int, value: object) -> None:
        self.asked[number - 1][1](value)

    def die(self, number: int) -> None:
        self.asked[number - 1][2](JobEnded(number, "failed", DIED))


class Asker:
    def __init__(self, parent: Any, tries: int) -> None:
        self.process, self.key = Process(), "one"
        self.taken: list[object] = []
        self.ends: list[str] = []
        self.request = LatestRequest(
            self.process, 1, parent,  # type: ignore[arg-type]
            key=lambda: self.key or None, job=lambda key: iter([key]),  # type: ignore[arg-type,return-value]
            take=self.taken.append, end=lambda ended: self.ends.append(ended.ending), tries=tries,
        )  # fmt: skip


@pytest.fixture
def asker(qapp: Any) -> Iterator[Asker]:
    made = Asker(qapp, tries=2)
    yield made
    made.request.deleteLater()


def test_several_changes_are_one_question(asker: Asker, qtbot: QtBot) -> None:
    for key in ("two", "three"):
        asker.key = key
        asker.request.refresh()
    qtbot.waitUntil(lambda: asker.request.asked == "three")
    assert len(asker.process.asked) == 1
    asker.request.refresh()  # the same again
    assert not asker.request._timer.isActive()


def test_the_answer_to_an_earlier_question_is_not_taken(asker: Asker) -> None:
    asker.request.ask()
    asker.key = "two"
    asker.request.ask()
    assert asker.process.cancelled == [1]
    asker.process.answer(1, "late")
    asker.process.answer(2, "right")
    assert asker.taken == ["right"]


def test_where_there_is_nothing_to_ask_no_answer_is_taken(asker: Asker) -> None:
    asker.request.ask()
    asker.key = ""
    asker.request.refresh()
    assert asker.process.cancelled == [1]
    asker.process.answer(1, "late")
    assert asker.taken == []


def test_a_process_that_dies_over_a_question_is_asked_once_more(asker: Asker) -> None:
    asker.request.ask()
    asker.process.die(1)
    assert (len(asker.process.asked), asker.ends) == (2, [])
    asker.process.die(2)
    assert (len(asker.process.asked), asker.ends) == (2, ["failed"])
    asker.request.ask()
    asker.process.die(3)
    assert len(asker.process.asked) == 4


def test_many_requests_are_one_act(qapp: Any, qtbot: QtBot) -> None:
    acts: list[int] = []
    throttle = Throttle(1, lambda: acts.append(1), qapp)
    for _ in range(5):
        throttle.request("whatever a signal brings")
    assert acts == []
    qtbot.waitUntil(lambda: acts == [1])
    throttle.request()
    qtbot.waitUntil(lambda: acts == [1, 1])
    throttle.deleteLater()
