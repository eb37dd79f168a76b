"""Foreign Python is interrupted in its region alone, and never where something is put back."""

import contextlib
import threading
from collections.abc import Callable, Iterator
from time import monotonic

import pytest

from app.core import interrupting
from app.core.interrupting import StoppedEarly, interruptible, stopped_by
from tests.patience import PATIENCE_SECONDS


@pytest.fixture(autouse=True)
def _often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interrupting, "_SECONDS_BETWEEN_LOOKS", 0.001)


def wait_here_until(is_so: Callable[[], bool]) -> None:
    """In Python, as foreign code would."""
    ends = monotonic() + PATIENCE_SECONDS
    while not is_so():
        assert monotonic() < ends


def never() -> bool:
    return False


def test_a_region_is_left_once_a_stop_is_asked_for() -> None:
    is_asked = threading.Event()
    with pytest.raises(StoppedEarly), stopped_by(is_asked.is_set), interruptible:
        try:
            is_asked.set()
            wait_here_until(never)
        except Exception:  # as a probe has it around foreign code
            pytest.fail("The stop was taken for a fault of the code.")
    assert not interrupting._regions


def test_a_region_without_a_question_is_left_alone() -> None:
    looks: list[int] = []
    with stopped_by(lambda: True):
        pass
    with interruptible:
        other = threading.Thread(target=_look_from_another_thread, args=(looks,))
        other.start()
        wait_here_until(lambda: len(looks) > 5)
    other.join()


def _look_from_another_thread(looks: list[int]) -> None:
    with contextlib.suppress(StoppedEarly), stopped_by(lambda: len(looks) > 5), interruptible:
        while True:
            wait_here_until(lambda: looks.append(0) or len(looks) > 50)  # type: ignore[func-returns-value]


def test_nothing_is_raised_outside_a_region() -> None:
    inside, stops = False, 0
    with stopped_by(lambda: True):
        while stops < 50:
            try:
                with interruptible:
                    inside = True
                    for _ in range(1000):
                        never()
                    inside = False
            except StoppedEarly:
                stops += 1
                inside = False
            assert not inside
            for _ in range(100):  # a late one would end the test here
                never()


def test_what_is_being_put_back_is_put_back_before_the_stop_is_obeyed() -> None:
    patched: list[str] = []
    asked = 0

    def should_stop() -> bool:
        nonlocal asked
        asked += bool(patched)
        return bool(asked)

    @contextlib.contextmanager
    def replaced() -> Iterator[None]:
        patched.append("entering")
        wait_here_until(lambda: asked > 3)
        patched.append("replaced")
        try:
            yield
        finally:
            seen = asked
            wait_here_until(lambda: asked > seen + 3)
            patched.clear()

    with pytest.raises(StoppedEarly), stopped_by(should_stop), interruptible:
        with replaced():
            assert patched == ["entering", "replaced"]
        assert not patched
        wait_here_until(never)
    assert not patched
