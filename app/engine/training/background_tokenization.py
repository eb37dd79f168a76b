"""Tokenizes the rest of a run's rows in another process while the run trains on the early rows.

A run that ends before it needs the other rows does not tokenize them.
"""

from collections.abc import Generator

from app.core.config.training_config import TrainingConfig
from app.data.training_set.store_process import store_process
from app.data.training_set.training_data import (
    MixedFiles,
    TrainingData,
    open_or_build_stores,
    rows_from_stores,
)
from app.engine.training.setup import TrainingSetup


class ComingRows:
    """The rows that are not tokenized yet, and when the run needs them."""

    def __init__(self, config: TrainingConfig, prepared: TrainingSetup) -> None:
        if prepared.later is None:
            raise ValueError("All rows of this run are tokenized.")
        self._later = prepared.later
        self._stores = store_process(self._later)
        self._each = config.grad_accumulation_steps
        self._at_once = prepared.train.at_once
        self._are_needed = config.steps * self._each > self._at_once or not all(
            one.is_last_there for one in prepared.valid
        )

    def start(self) -> None:
        if self._are_needed:
            self._stores.start()

    def is_time(self, step: int) -> bool:
        """Whether all rows are tokenized after this many steps, or the next step needs them.

        Raises RunError if the process that tokenizes them failed.
        """
        is_next = (step + 1) * self._each > self._at_once
        return self._are_needed and (is_next or self._stores.is_done())

    def waiting(self) -> Generator[float, None, TrainingData]:
        """Wait for all rows and return them; yields the share done. Raises RunError."""
        yield from self._stores.waiting()
        later = self._later
        datasets = [MixedFiles(later.files, 1.0, later.settings.rows.columns)]
        opening = open_or_build_stores(
            datasets, later.tokenizer, later.settings.rows, later.contents
        )
        stores = yield from opening
        return rows_from_stores(datasets, stores, later.settings)

    def close(self) -> None:
        """End the process; the rows it has tokenized stay on the disk."""
        self._stores.close()
