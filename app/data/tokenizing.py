"""Examples as tokens, with the positions that are trained. Knows no model, no batch and no MLX.

mlx-lm trains only the last turn of a chat with `mask_prompt`; here every assistant turn is trained
and nothing else. Tokens and the start of the last turn are mlx-lm's own.
"""

from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

from app.core.errors import InputError
from app.data.dataset import Dataset
from app.data.examples import ChatExample, Example, RowProblem
from app.data.templates import ChatTemplate, TemplateError, Tokenizer

__all__ = [
    "TokenizedDataset",
    "TokenizedExample",
    "Tokenizer",
    "tokenize",
    "tokenize_dataset",
    "tokenizing",
]

_ROWS_BETWEEN_REPORTS = 20


@dataclass(frozen=True)
class TokenizedExample:
    """One example as the model sees it."""

    tokens: tuple[int, ...]
    trained: tuple[tuple[int, int], ...]
    """Half-open spans of positions p >= 1 that are targets: token p is predicted from p - 1."""
    line: int
    last_reply_only: bool = False
    """Earlier replies are not trained, since the template changes them once more follows."""

    @property
    def length(self) -> int:
        return len(self.tokens)

    @property
    def trained_tokens(self) -> int:
        return sum(end - start for start, end in self.trained)


@dataclass(frozen=True)
class TokenizedDataset:
    """What a run trains and validates on; every example has at least one trained token."""

    train: tuple[TokenizedExample, ...]
    valid: tuple[TokenizedExample, ...]
    cut: int
    """Rows kept, but cut at the limit."""
    left_out: tuple[RowProblem, ...]
    notes: tuple[str, ...]
    """Plain sentences for the log."""


def tokenize(
    example: Example, tokenizer: Tokenizer, mask_prompt: bool
) -> TokenizedExample | RowProblem:
    """One example, uncut, or why it can't be trained; the problem's path is empty.

    Raises InputError for a chat if the model has no chat template.
    """
    return _tokenize(example, tokenizer, ChatTemplate(tokenizer), mask_prompt)


def tokenize_dataset(
    dataset: Dataset,
    tokenizer: Tokenizer,
    *,
    mask_prompt: bool,
    max_seq_length: int,
    batch_size: int,
) -> TokenizedDataset:
    """Every example that can be trained, cut at `max_seq_length` tokens; the rest is named.

    Raises InputError when too little is left to train on.
    """
    progress = tokenizing(
        dataset,
        tokenizer,
        mask_prompt=mask_prompt,
        max_seq_length=max_seq_length,
        batch_size=batch_size,
    )
    while True:
        try:
            next(progress)
        except StopIteration as ended:
            return cast(TokenizedDataset, ended.value)


def tokenizing(
    dataset: Dataset,
    tokenizer: Tokenizer,
    *,
    mask_prompt: bool,
    max_seq_length: int,
    batch_size: int,
) -> Generator[float, None, TokenizedDataset]:
    """The same in small steps, for long datasets: yields the share done, 0 to 1."""
    template = ChatTemplate(tokenizer)
    total = len(dataset.train) + len(dataset.valid)
    found: list[TokenizedExample | RowProblem] = []
    for example in (*dataset.train, *dataset.valid):
        if len(found) % _ROWS_BETWEEN_REPORTS == 0:
            yield len(found) / total
        found.append(_tokenize(example, tokenizer, template, mask_prompt))
    yield 1.0

    files = dataset.files
    train_path = files.train if files else Path("train.jsonl")
    valid_path = (files.valid or files.train) if files else Path("valid.jsonl")
    train = _Part(train_path, found[: len(dataset.train)], max_seq_length)
    valid = _Part(valid_path, found[len(dataset.train) :], max_seq_length)
    _check_enough(train, max_seq_length, batch_size)
    notes = _notes(train, valid, max_seq_length)
    if dataset.valid and not valid.kept:
        notes.append("No validation row can be used, so there is no validation.")
    return TokenizedDataset(
        tuple(train.kept),
        tuple(valid.kept),
        train.cut + valid.cut,
        (*train.left_out, *valid.left_out),
        tuple(notes),
    )


def _tokenize(
    example: Example, tokenizer: Tokenizer, template: ChatTemplate, mask_prompt: bool
) -> TokenizedExample | RowProblem:
    last_reply_only = False
    if not isinstance(example, ChatExample):
        tokens = list(tokenizer.encode(example.text))
        eos = tokenizer.eos_token_id
        if eos is not None and (not tokens or tokens[-1] != eos):
            tokens.append(eos)
        spans = [(0, len(tokens))]
    else:
        try:
            if mask_prompt:
                tokens, spans = template.replies(example.messages, example.tools)
                replies = sum(message["role"] == "assistant" for message in example.messages[1:])
                last_reply_only = len(spans) < replies
            else:
                tokens = template.render(example.messages, example.tools)
                spans = [(0, len(tokens))]
        except TemplateError as error:
            return RowProblem(Path(), example.line, str(error))
    # The first token is predicted from nothing.
    trained = tuple((max(start, 1), end) for start, end in spans if end > max(start, 1))
    if not trained:
        return RowProblem(Path(), example.line, "has no token to train on")
    return TokenizedExample(tuple(tokens), trained, example.line, last_reply_only)


class _Part:
    """The training or the validation rows: those that are kept, and those that are not."""

    def __init__(
        self, path: Path, found: Sequence[TokenizedExample | RowProblem], limit: int
    ) -> None:
        self.kept: list[TokenizedExample] = []
        self.left_out: list[RowProblem] = []
        self.cut = 0
        self.lengths: list[int] = []
        for row in found:
            if isinstance(row, RowProblem):
                self.left_out.append(replace(row, path=path))
                continue
            self.lengths.append(row.length)
            cut = _cut(row, limit)
            if cut is None:
                reason = (
                    f"its {row.length:,} tokens are cut at {limit:,}, before anything to train on"
                )
                self.left_out.append(RowProblem(path, row.line, reason))
                continue
            self.cut += cut is not row
            self.kept.append(cut)


def _cut(row: TokenizedExample, limit: int) -> TokenizedExample | None:
    if row.length <= limit:
        return row
    trained = tuple((start, min(end, limit)) for start, end in row.trained if start < limit)
    return replace(row, tokens=row.tokens[:limit], trained=trained) if trained else None


def _check_enough(train: _Part, limit: int, batch_size: int) -> None:
    if train.lengths and min(train.lengths) > limit:
        raise InputError(
            f"Every training row is longer than the limit of {limit:,} tokens; the shortest has "
            f"{min(train.lengths):,}.",
            "Raise the longest example's length, or split the rows.",
        )
    if not train.kept:
        first = f": {train.left_out[0]}" if train.left_out else ""
        raise InputError(
            f"No training row can be used{first}.", "Correct the dataset or choose another model."
        )
    if len(train.kept) < batch_size:
        raise InputError(
            f"There are {len(train.kept):,} training rows, fewer than the batch size of "
            f"{batch_size:,}.",
            "Lower the batch size, or add rows.",
        )


def _notes(train: _Part, valid: _Part, limit: int) -> list[str]:
    notes = []
    rows = [*train.kept, *valid.kept]
    if cut := train.cut + valid.cut:
        notes.append(f"{_rows(cut)} longer than {limit:,} tokens: cut at the end.")
    if left_out := [*train.left_out, *valid.left_out]:
        notes.append(f"{_rows(len(left_out))} left out; the first: {left_out[0]}.")
    if changed := sum(row.last_reply_only for row in rows):
        notes.append(
            f"{_rows(changed)} trained on the last reply only: this model's chat template "
            "changes earlier replies once more follows."
        )
    return notes


def _rows(count: int) -> str:
    return "1 row is" if count == 1 else f"{count:,} rows are"
