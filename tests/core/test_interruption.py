"""Foreign Python is interrupted in its region alone, and never where something is put back."""

import contextlib
import threading
from collections.abc import Callable, Iterator

import pytest

from app.core.system import interruption
from app.core.system.interruption import StoppedEarly, interruptible, stopped_by
from tests.patience import PATIENCE_SECONDS, patience


@pytest.fixture(autouse=True)
def _often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interruption, "_SECONDS_BETWEEN_LOOKS", 0.001)


def wait_here_until(is_so: Callable[[], bool]) -> None:
    """In Python, as foreign code would."""
    with patience() as is_over:
        while not is_so():
            assert not is_over()


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
    assert not interruption._regions


def test_a_stop_leaves_the_regions_of_other_threads_alone() -> None:
    is_stopped = threading.Event()

    def stop() -> None:
        with contextlib.suppress(StoppedEarly), stopped_by(lambda: True), interruptible:
            wait_here_until(never)
        is_stopped.set()

    other = threading.Thread(target=stop)
    with interruptible:
        other.start()
        wait_here_until(is_stopped.is_set)
    other.join()


def test_a_region_that_was_left_meanwhile_is_not_interrupted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked, left, looks = threading.Event(), threading.Event(), 0
    pause = interruption.sleep

    def look(seconds: float) -> None:
        nonlocal looks
        looks += 1
        pause(seconds)

    def should_stop() -> bool:
        asked.set()
        return left.wait(PATIENCE_SECONDS)

    monkeypatch.setattr(interruption, "sleep", look)
    with stopped_by(should_stop):
        with interruptible:
            wait_here_until(asked.is_set)
        seen = looks
        left.set()
        wait_here_until(lambda: looks > seen + 1)


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
            # A stop that is obeyed before the exit leaves no region, and is not asked for again.
            wait_here_until(lambda: asked > seen + 3 or not interruption._regions)
            patched.clear()

    with pytest.raises(StoppedEarly), stopped_by(should_stop), interruptible:
        with replaced():
            assert patched == ["entering", "replaced"]
        assert not patched
        wait_here_until(never)
    assert not patched


def test_replacements_within_each_other_are_put_back_in_their_order() -> None:
    """Wherever among them the stop comes."""
    replaced = "own"

    @contextlib.contextmanager
    def by(other: str) -> Iterator[None]:
        nonlocal replaced
        before, replaced = replaced, other
        try:
            yield
        finally:
            replaced = before

    for _ in range(60):
        with contextlib.suppress(StoppedEarly), stopped_by(lambda: True), interruptible:
            while True:
                with by("outer"), by("inner"):
                    never()
        assert replaced == "own"
