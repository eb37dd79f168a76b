"""One of the datasets of a run: its settings, and its facts or failure after it was read."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from app.core.errors import Failure
from app.core.wording.display_names import dataset_title
from app.workers.jobs.datasets import DatasetRequest

if TYPE_CHECKING:
    from app.data.inspection.inspection import DatasetFacts


@dataclass(frozen=True)
class RunDataset:
    reading: DatasetRequest
    """The settings with which it is read."""
    facts: "DatasetFacts | None" = None
    """None while it is being read, and if it can't be read."""
    failure: Failure | None = None
    share_read: float | None = None
    """The fraction that has been read; None when it isn't being read."""
    version: int = 0
    """Changes each time it is read, because the file may have changed."""

    @property
    def path(self) -> Path:
        return self.reading.data

    @property
    def name(self) -> str:
        return dataset_title(self.reading.data)

    @property
    def is_being_read(self) -> bool:
        return self.share_read is not None

    @property
    def is_wrong(self) -> bool:
        """Whether the dataset can't be trained on without a change."""
        return self.has_bad_rows or self.failure is not None

    @property
    def has_bad_rows(self) -> bool:
        return self.facts is not None and self.facts.problem_count > 0
