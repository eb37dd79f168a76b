"""How a model's tokenizer takes a dataset: its tokens, the rows cut, and those it refuses.

Rows that are no examples are not looked at; inspection.py names them.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from app.core.columns import Columns
from app.data.checked_file import read_examples
from app.data.dataset_files import DatasetFiles
from app.data.examples import BrokenFile, Example, RowProblem
from app.data.inspection import Problems

if TYPE_CHECKING:
    from app.data.tokenizing import TokenizedExample

Tokenize = Callable[[Example], "TokenizedExample | RowProblem"]


@dataclass
class TokenFacts:
    """What can be said of a dataset with a tokenizer; tokens are counted uncut."""

    problems: Problems
    tokens: int = 0
    trained_tokens: int = 0
    longest: int = 0
    cut: int = 0
    """Rows longer than the limit."""


def token_facts(
    files: DatasetFiles, columns: Columns | None, tokenize: Tokenize, limit: int
) -> TokenFacts:
    """Every example tokenised, none kept. Raises InputError as the reading does."""
    facts = TokenFacts(Problems())
    for path in (files.train, files.valid):
        if path is not None:
            _count(path, columns, tokenize, limit, facts)
    return facts


def _count(
    path: Path, columns: Columns | None, tokenize: Tokenize, limit: int, facts: TokenFacts
) -> None:
    try:
        for example in read_examples(path, columns):
            if isinstance(example, RowProblem):
                continue
            row = tokenize(example)
            if isinstance(row, RowProblem):
                facts.problems.add(replace(row, path=path, kind="refused by the model"))
            else:
                _add(row, path, limit, facts)
    except BrokenFile:
        return  # named by the inspection


def _add(row: "TokenizedExample", path: Path, limit: int, facts: TokenFacts) -> None:
    facts.tokens += row.length
    facts.trained_tokens += row.trained_tokens
    facts.longest = max(facts.longest, row.length)
    if row.length <= limit:
        return
    facts.cut += 1
    is_useless = all(start >= limit for start, _ in row.trained)
    reason = f"its {row.length:,} tokens are cut at {limit:,}"
    reason += ", before anything to train on" if is_useless else ""
    problem = RowProblem(path, row.line, reason, "too long", is_warning=not is_useless)
    facts.problems.add(problem)
