"""Runs long work in stages, and cuts it off between two batches once the run is asked to stop.

Knows nothing of what the work is, only that all machines of the run take as many turns at it.
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
"""A stage doesn't say more often how far it is."""

T = TypeVar("T")
Work = Generator[float, None, T]
"""Yields the share done after each batch."""


def until_stopped(
    work: Generator[Event, None, T], should_stop: Callable[[], bool]
) -> Generator[Event, None, T]:
    """The result of `work`, which prepares a run.

    Asks whether to stop after each of its events, and within foreign code. A stage that reports
    its share too often is passed on less often.

    Raises StoppedEarly.
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
    """The same on every machine of a run: once all are ready, or were stopped before, they agree.

    Not sooner: they do not come to the same stages, as one may have made its tokens before. Raises
    StoppedEarly on all where one was stopped.
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
    """The result of `work`, with stages for its progress; none if there is nothing to do."""
    with closing(work):
        while True:
            try:
                yield StageChanged(name, next(work))
            except StopIteration as ended:
                return ended.value


def trying_template(tokenizer: TokenizerWrapper) -> Generator[Event, None, None]:
    """Find out whether the model's chat template can be used, in a stage of its own; who renders
    with it says why not."""
    for _ in try_templates(getattr(tokenizer, "chat_template", None)):
        yield StageChanged(TRYING)


class StopRequest:
    """Whether the run is asked to stop: all machines get the same answer, and it stays so."""

    def __init__(self, should_stop: Callable[[], bool], machines: Machines) -> None:
        self._should_stop = should_stop
        self._machines = machines
        self._is_requested = False

    def is_requested(self) -> bool:
        """Asked on all machines at the same moment of the run."""
        return self.is_requested_or(False)[0]

    def is_requested_or(self, other: bool) -> tuple[bool, bool]:
        """The same, and whether `other` is true on at least one machine, in one message."""
        stops, is_other = self._machines.any_true(self._is_requested or self._should_stop(), other)
        self._is_requested = stops
        return stops, is_other

    def stage(self, name: str, work: "Work[T]") -> Generator[Event, None, T | None]:
        """The result of `work`, with stages for its progress; None if it was cut off."""
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
