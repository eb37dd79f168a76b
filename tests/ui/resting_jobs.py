"""Jobs of a data process, the first of which rests in the middle of its work until it is canceled:
however fast it is, and however late the window hears of it. Imports neither Qt nor MLX."""

from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import TypeVar

from app.core.files.paths import home_dir
from app.workers.jobs import datasets
from app.workers.jobs.datasets import (
    InspectDataset,
    InspectedDataset,
    TokenizeDatasets,
    TokenizedDatasets,
)
from tests.workers.jobs_to_run import until_it_is_asked_to_close

T = TypeVar("T")
ShouldStop = Callable[[], bool]
INSPECTION = "app.ui.data.dataset_list.InspectDataset"
TOKENIZATION = "app.ui.data.tokenization.TokenizeDatasets"
"""The names under which the window finds its jobs."""


def is_in_the_middle(share: object) -> bool:
    return isinstance(share, float) and 0.5 < share < 0.9


def _resting(work: Iterator[T], should_stop: ShouldStop) -> Iterator[T]:
    datasets.SECONDS_BETWEEN_SHARES = 0.0  # in this process: each step is reported
    assert isinstance(work, Generator)
    with closing(work):
        for value in work:
            rests = is_in_the_middle(value) and _is_first()
            yield value  # it may be canceled at once
            if rests:
                until_it_is_asked_to_close(should_stop)


def _is_first() -> bool:
    has_rested = home_dir() / "a-job-has-rested"
    try:
        has_rested.parent.mkdir(parents=True, exist_ok=True)
        has_rested.touch(exist_ok=False)
    except FileExistsError:
        return False
    return True


@dataclass(frozen=True)
class RestingInspection(InspectDataset):
    def __call__(self, should_stop: ShouldStop) -> Iterator[float | InspectedDataset]:
        return _resting(super().__call__(should_stop), should_stop)


@dataclass(frozen=True)
class RestingTokenization(TokenizeDatasets):
    def __call__(self, should_stop: ShouldStop) -> Iterator[str | float | TokenizedDatasets]:
        return _resting(super().__call__(should_stop), should_stop)
