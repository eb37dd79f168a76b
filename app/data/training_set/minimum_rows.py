"""Checks whether enough rows remain to train on; the window and a run report the same error."""

from collections.abc import Sequence
from dataclasses import dataclass

from app.core.errors import InputError
from app.data.row_values import RowIssue
from app.data.training_set.row_selection import SelectedRows
from app.data.training_set.statistics import DataStatistics


@dataclass(frozen=True)
class RemainingRows:
    """The remaining training rows of one dataset, without validation rows."""

    name: str
    kept: int
    """Rows with at least one target within the limit."""
    shortest: int
    """The length of the shortest tokenized row, usable or not; 0 if there is none."""
    first_left_out: RowIssue | None

    @classmethod
    def of_run(cls, name: str, train: SelectedRows) -> "RemainingRows":
        return cls(name, train.kept_count, train.shortest, next(train.left_out(), None))

    @classmethod
    def by_statistics(cls, name: str, statistics: DataStatistics, limit: int) -> "RemainingRows":
        curves = statistics.train
        return cls(name, curves.usable_rows(limit), curves.shortest, statistics.first_unusable)


def insufficient_rows_error(
    datasets: Sequence[RemainingRows], limit: int, batch_size: int
) -> InputError | None:
    """Why a run can't train on these datasets, or None; all but the first are mixed into it."""
    main, *mixed = datasets
    if main.shortest > limit:
        return InputError(
            f"Every training row is longer than the limit of {limit:,} tokens; the shortest has "
            f"{main.shortest:,}.",
            "Raise the max length if the model allows it, or split the rows.",
        )
    if not main.kept:
        return _none(main, "")
    if main.kept < batch_size:
        rows = "is 1 training row" if main.kept == 1 else f"are {main.kept:,} training rows"
        return InputError(
            f"There {rows}, fewer than the batch size of {batch_size:,}.",
            "Lower the batch size, or add rows.",
        )
    return next((_none(one, f" of the mixed-in {one.name}") for one in mixed if not one.kept), None)


def _none(rows: RemainingRows, subject: str) -> InputError:
    if rows.first_left_out is None and not rows.shortest:
        return InputError(
            f"No row{subject} is left to train on: all are validation rows.",
            "Use a smaller validation split, or none.",
        )
    first = f": {rows.first_left_out}" if rows.first_left_out else ""
    return InputError(
        f"No training row{subject} can be used{first}.",
        "Correct the dataset or choose another model.",
    )
