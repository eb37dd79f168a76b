"""Inspects several datasets to be mixed: each by itself, then for rows in more than one."""

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from pathlib import Path

from app.core.column_mapping import ColumnMapping
from app.core.progress import scaled_progress
from app.data.files.dataset_files import check_distinct, file_stat, find_files
from app.data.inspection.duplicates import SeenRows
from app.data.inspection.inspection import DatasetFacts, IssueList, inspect_with_rows


@dataclass(frozen=True)
class DatasetSource:
    data: Path
    valid: Path | None = None
    columns: ColumnMapping | None = None


@dataclass(frozen=True)
class MixtureFacts:
    datasets: tuple[DatasetFacts, ...]
    """In the order of the sources."""
    across: IssueList
    """Rows that are also in an earlier dataset, or in the validation set of another one."""


def inspect_mixture(sources: Sequence[DatasetSource]) -> Generator[float, None, MixtureFacts]:
    """Inspect all datasets; yields the share read, from 0 to 1.

    Raises InputError as `inspect_stream` does, and if a file is used twice.
    """
    sizes = [0] * len(sources)
    if len(sources) > 1:
        file_sets = [find_files(one.data, one.valid) for one in sources]
        check_distinct(file_sets)
        sizes = [sum(file_stat(path).st_size for path in files.all_files) for files in file_sets]
    facts, trains, valids = [], [], []
    for number, one in enumerate(sources):
        reading = inspect_with_rows(one.data, one.valid, one.columns)
        if len(sources) > 1:
            reading = scaled_progress(reading, sum(sizes[:number]), sizes[number], sum(sizes))
        dataset_facts, train, valid = yield from reading
        facts.append(dataset_facts)
        trains.append(train)
        valids.append(valid)
    return MixtureFacts(tuple(facts), _across(trains, valids))


def _across(trains: Sequence[SeenRows], valids: Sequence[SeenRows]) -> IssueList:
    across = IssueList()
    for number, train in enumerate(trains):
        for earlier in trains[:number]:
            across.add_all(train.also_in(earlier, "in two datasets"))
        for other, valid in enumerate(valids):
            if other != number:
                across.add_all(train.also_in(valid))
    return across
