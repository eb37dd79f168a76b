"""How a model's tokenizer takes a dataset: its tokens, the rows cut, and those it refuses.

Rows that are no examples are not looked at; inspection.py names them.
"""

import heapq
from collections.abc import Generator, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from app.core.errors import InputError
from app.core.progress import part_of_whole
from app.data.checked_file import read_examples
from app.data.dataset_files import DatasetFiles
from app.data.examples import REFUSED, BrokenFile, Example, RowProblem
from app.data.inspection import Problems
from app.data.place import Place
from app.data.readers import ShareRead
from app.data.token_rows import TokenRows, place_of
from app.data.token_store import RowSettings, is_large, lots_of, opening_store
from app.data.token_workers import tokenized
from app.data.tokenizer import Tokenizer


@dataclass
class TokenFacts:
    """What can be said of a dataset with a tokenizer; tokens are counted uncut."""

    problems: Problems
    tokens: int = 0
    trained_tokens: int = 0
    longest: int = 0
    cut: int = 0
    """Rows longer than the limit."""


def counting_tokens(
    files: DatasetFiles, tokenizer: Tokenizer, settings: RowSettings, limit: int
) -> Generator[float, None, TokenFacts]:
    """Every example tokenised, into the store a run then finds; yields the share done.

    Raises InputError for a chat if the model has no chat template.
    """
    facts = TokenFacts(Problems())
    settings = replace(settings, leave_out_bad_rows=True)
    sizes = [_size(path) for path in files.all_files]
    for number, path in enumerate(files.all_files):
        counting = _counting(path, tokenizer, settings, limit, facts)
        yield from part_of_whole(counting, sum(sizes[:number]), sizes[number], sum(sizes))
    return facts


def _counting(
    path: Path, tokenizer: Tokenizer, settings: RowSettings, limit: int, facts: TokenFacts
) -> Generator[float, None, None]:
    try:
        store = yield from opening_store(path, tokenizer, settings)
    except BrokenFile:
        # No store is made of it; what comes before the damage is counted all the same.
        yield from _counting_what_can_be_read(path, tokenizer, settings, limit, facts)
    else:
        _add(facts, path, store.rows, store.problems(path), limit)


def _counting_what_can_be_read(
    path: Path, tokenizer: Tokenizer, settings: RowSettings, limit: int, facts: TokenFacts
) -> Generator[float, None, None]:
    share = ShareRead()
    lots = lots_of(_until_broken(read_examples(path, settings.columns, share)))
    with closing(tokenized(lots, tokenizer, settings.mask_prompt, is_large(path))) as made:
        for lot in made:
            if lot is not None:
                _add(facts, path, lot.rows, lot.problems, limit)
            yield share.done


def _until_broken(rows: Iterator[Example | RowProblem]) -> Iterator[Example | RowProblem]:
    try:
        yield from rows
    except BrokenFile:
        return  # named by the inspection


def _add(
    facts: TokenFacts, path: Path, rows: TokenRows, problems: Iterable[RowProblem], limit: int
) -> None:
    facts.tokens += int(rows.lengths.sum())
    facts.trained_tokens += int(rows.trained_counts(2**31).sum())
    facts.longest = max(facts.longest, int(rows.lengths.max(initial=0)))
    long_rows = np.flatnonzero(rows.lengths > limit)
    facts.cut += len(long_rows)
    left = rows.trained_counts(limit)[long_rows]
    too_long = (
        _too_long(path, place_of(rows, row), int(rows.lengths[row]), limit, is_useless)
        for row, is_useless in zip(long_rows.tolist(), (left == 0).tolist(), strict=True)
    )
    refused = (replace(one, path=path) for one in problems if one.kind == REFUSED)
    facts.problems.add_all(heapq.merge(refused, too_long, key=lambda problem: problem.place))


def _too_long(path: Path, place: Place, length: int, limit: int, is_useless: bool) -> RowProblem:
    reason = f"its {length:,} tokens are cut at {limit:,}"
    reason += ", before anything to train on" if is_useless else ""
    return RowProblem(path, place, reason, "too long", is_warning=not is_useless)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError as error:
        raise InputError(f"{path} can't be read: {error.strerror}.") from error
