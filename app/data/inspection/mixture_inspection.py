"""Several datasets that are to be mixed, inspected together: each by itself, then across them."""

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from pathlib import Path

from app.core.column_mapping import ColumnMapping
from app.core.progress import scaled_progress
from app.data.files.dataset_files import check_distinct, facts_of, find_files
from app.data.inspection.duplicates import Seen
from app.data.inspection.inspection import DatasetFacts, Problems, inspecting_with_rows


@dataclass(frozen=True)
class GivenDataset:
    data: Path
    valid: Path | None = None
    columns: ColumnMapping | None = None


@dataclass(frozen=True)
class MixedFacts:
    datasets: tuple[DatasetFacts, ...]
    """In the order they were given."""
    across: Problems
    """Rows that stand in an earlier dataset too, or in what another one is validated on."""


def inspecting_mixed(given: Sequence[GivenDataset]) -> Generator[float, None, MixedFacts]:
    """Yields the share read. Raises InputError as inspecting does, and for a file given twice."""
    sizes = [0] * len(given)
    if len(given) > 1:
        found = [find_files(one.data, one.valid) for one in given]
        check_distinct(found)
        sizes = [sum(facts_of(path).st_size for path in files.all_files) for files in found]
    facts, trains, valids = [], [], []
    for number, one in enumerate(given):
        reading = inspecting_with_rows(one.data, one.valid, one.columns)
        if len(given) > 1:
            reading = scaled_progress(reading, sum(sizes[:number]), sizes[number], sum(sizes))
        told, train, valid = yield from reading
        facts.append(told)
        trains.append(train)
        valids.append(valid)
    return MixedFacts(tuple(facts), _across(trains, valids))


def _across(trains: Sequence[Seen], valids: Sequence[Seen]) -> Problems:
    across = Problems()
    for number, train in enumerate(trains):
        for earlier in trains[:number]:
            across.add_all(train.also_in(earlier, "in two datasets"))
        for other, valid in enumerate(valids):
            if other != number:
                across.add_all(train.also_in(valid))
    return across
