"""Runs long work in stages, and interrupts it between two batches when the run is asked to stop.

All machines of a distributed run stop together.
"""

from collections.abc import Callable, Generator
from contextlib import closing
from math import inf
from time import monotonic
from typing import TypeVar, cast

from app.core.events import Event, StageChanged
from app.core.system.interruption import StoppedEarly, stopped_by
from app.core.text.translation import mark
from app.data.chat.template_trial import TRYING, try_templates
from app.engine.runtime.distributed import Machines
from app.engine.runtime.named_arrays import TokenizerWrapper

SECONDS_BETWEEN_STAGES = 0.2
"""The shortest time between two progress events of a stage."""

T = TypeVar("T")
Work = Generator[float, None, T]
"""Yields the share done after each batch."""


def until_stopped(
    work: Generator[Event, None, T], should_stop: Callable[[], bool]
) -> Generator[Event, None, T]:
    """Run `work`, which prepares a run, and return its result.

    Calls `should_stop` after each event, and inside third-party code. Drops progress events of a
    stage that come too often. Raises StoppedEarly.
    """
    shown, stage = -inf, ""
    with closing(work):
        while not should_stop():
            try:
                with stopped_by(should_stop):
                    event = next(work)
            except StopIteration as ended:
                return ended.value
            if isinstance(event, StageChanged):
                if event.stage == stage and monotonic() - shown < SECONDS_BETWEEN_STAGES:
                    continue
                shown, stage = monotonic(), event.stage
            yield event
    raise StoppedEarly


def until_any_stops(
    work: Generator[Event, None, T], should_stop: Callable[[], bool], machines: Machines
) -> Generator[Event, None, T]:
    """`until_stopped` on every machine of a run; they compare when all have finished or stopped.

    They can't compare earlier, because their stages differ: one machine may have cached tokens.
    Raises StoppedEarly on all machines if one was stopped.
    """
    result, is_stopped = None, False
    try:
        result = yield from until_stopped(work, should_stop)
    except StoppedEarly:
        is_stopped = True
        if machines.count > 1:
            yield StageChanged(mark("Waiting for the other machines to stop"))
    if machines.any_true(is_stopped)[0]:
        raise StoppedEarly
    return cast(T, result)


def in_stage(name: str, work: "Work[T]") -> Generator[Event, None, T]:
    """Run `work` and return its result; yields a StageChanged for each share that it yields."""
    with closing(work):
        while True:
            try:
                yield StageChanged(name, next(work))
            except StopIteration as ended:
                return ended.value


def trying_template(tokenizer: TokenizerWrapper) -> Generator[Event, None, None]:
    """Try whether the model's chat template works, as a separate stage. A failure is reported when
    the template is used."""
    for _ in try_templates(getattr(tokenizer, "chat_template", None)):
        yield StageChanged(TRYING)


class StopRequest:
    """A request to stop the run: it is the same on all machines, and can't be withdrawn."""

    def __init__(self, should_stop: Callable[[], bool], machines: Machines) -> None:
        self._should_stop = should_stop
        self._machines = machines
        self._is_requested = False

    def is_requested(self) -> bool:
        """Whether a stop was requested. Call it at the same point on all machines."""
        return self.is_requested_or(False)[0]

    def is_requested_or(self, other: bool) -> tuple[bool, bool]:
        """`is_requested`, and whether `other` is true on at least one machine, in one message."""
        stops, is_other = self._machines.any_true(self._is_requested or self._should_stop(), other)
        self._is_requested = stops
        return stops, is_other

    def stage(self, name: str, work: "Work[T]") -> Generator[Event, None, T | None]:
        """Run `work`, with StageChanged events for its progress; None if it was interrupted."""
        shown, share = -inf, 0.0
        with closing(work):
            while not self.is_requested():
                if monotonic() - shown >= SECONDS_BETWEEN_STAGES:
                    shown = monotonic()
                    yield StageChanged(name, share)
                try:
                    share = next(work)
                except StopIteration as ended:
                    return ended.value
        return None
