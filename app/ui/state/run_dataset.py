"""One of the datasets of a run, as far as it is known; the others are mixed into the first."""

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
    """How it was read, or is."""
    facts: "DatasetFacts | None" = None
    """None while it is read, and if it can't be."""
    failure: Failure | None = None
    share_read: float | None = None
    """While it is read."""
    version: int = 0
    """Another one each time that it is read: the file may be another by now."""

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
        """It can't be trained on as it is."""
        return self.has_bad_rows or self.failure is not None

    @property
    def has_bad_rows(self) -> bool:
        return self.facts is not None and self.facts.problem_count > 0
