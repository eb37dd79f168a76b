"""What a dataset's token stores say of it: how rows fare at every limit, split as in a run."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from app.data.checked_file import KEPT_PROBLEMS
from app.data.examples import RowProblem
from app.data.length_curves import LengthCurves
from app.data.splitting import held_out
from app.data.token_files import TokenStore

Stored = tuple[Path, TokenStore]
"""A dataset's file with its rows."""


@dataclass(frozen=True)
class DataStatistics:
    train: LengthCurves
    valid: LengthCurves
    refused: tuple[RowProblem, ...]
    """Why the model can't take rows: the first 1000."""
    refused_count: int
    last_reply_only: int
    """Rows of which only the last reply is trained."""


def held_rows(stored: Sequence[Stored], share: float, seed: int) -> npt.NDArray[np.bool_]:
    """[rows of the training file]: which are held out; none where there is a validation file."""
    digests = stored[0][1].rows.digests
    return held_out(digests, share if len(stored) == 1 else 0.0, seed)


def data_statistics(stored: Sequence[Stored], is_held: npt.NDArray[np.bool_]) -> DataStatistics:
    """`stored`: the training file, and the validation file if there is one."""
    rows = stored[0][1].rows
    other = stored[1][1].rows if len(stored) > 1 else None
    if other is None:
        valid = LengthCurves.of(rows, np.flatnonzero(is_held))
    else:
        valid = LengthCurves.of(other, np.arange(len(other)))
    refused = [problem for path, store in stored for problem in store.first_problems(path)]
    return DataStatistics(
        train=LengthCurves.of(rows, np.flatnonzero(~is_held)),
        valid=valid,
        refused=tuple(refused[:KEPT_PROBLEMS]),
        refused_count=sum(store.problem_count for _, store in stored),
        last_reply_only=sum(int(store.rows.last_reply_only.sum()) for _, store in stored),
    )


def too_long(stored: Sequence[Stored], limit: int) -> tuple[RowProblem, ...]:
    """The first 1000 rows that are longer than the limit, as the terminal's report names them."""
    found: list[RowProblem] = []
    for path, store in stored:
        rows = store.rows
        for row in np.flatnonzero(rows.lengths > limit)[: KEPT_PROBLEMS - len(found)].tolist():
            is_useless = int(rows.spans[rows.span_starts[row], 0]) >= limit
            reason = f"its {int(rows.lengths[row]):,} tokens are cut at {limit:,}"
            reason += ", before anything to train on" if is_useless else ""
            line = int(rows.lines[row])
            found.append(RowProblem(path, line, reason, "too long", is_warning=not is_useless))
    return tuple(found)
