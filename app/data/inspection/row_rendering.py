"""Renders rows as text spans, each marked as trained, truncated or special.

A long row is shown in part; a gap gives the number of hidden tokens or characters.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np
import numpy.typing as npt

from app.data.chat.assistant_mask import special_ids
from app.data.chat.tokenizer import Tokenizer
from app.data.row_values import ChatExample, Example, IssueKind, Message, RowLocation
from app.data.rows.row_notes import KINDS
from app.data.tokens.tokenized_examples import TokenizedExample

TextSpanKind = Literal["text", "special", "role", "gap"]
_CHARACTERS_A_TOKEN = 4
_AFTER_CUT = 4
"""1/`_AFTER_CUT` of the budget shows the text after the truncation, and as much the text before."""


@dataclass(frozen=True)
class TextSpan:
    """A part of a row's text with one status."""

    text: str
    kind: TextSpanKind = "text"
    """special: one special token; role: the speaker, which is not part of the text; gap: the number
    of hidden tokens or characters.
    """
    is_trained: bool = False
    is_cut: bool = False


@dataclass(frozen=True)
class PreviewRow:
    number: int
    """0-based, among the examples of its file."""
    place: RowLocation
    spans: tuple[TextSpan, ...]
    tokens: int | None = None
    """The length before truncation; None if the row is not tokenized yet."""
    trained_tokens: int = 0
    """Trained tokens within the limit."""
    cut_tokens: int = 0
    last_reply_only: bool = False
    notes: tuple[IssueKind, ...] = ()
    """The kinds of its notes."""
    other_examples: int = 0
    """The number of further examples of the same chat, for replies that the template changes."""
    is_held_out: bool = False
    file: str = ""
    """The name of the row's file if there are several."""
    problem: str = ""
    """Why the model can't be trained on it; "" if it can."""


def raw_row(example: Example, number: int, budget: int) -> PreviewRow:
    """About `budget` tokens of an example without tokenizing it: roles and texts."""
    characters = budget * _CHARACTERS_A_TOKEN
    if not isinstance(example, ChatExample):
        return PreviewRow(number, example.place, tuple(_shortened(example.text, characters)))
    spans: list[TextSpan] = []
    for turn, message in enumerate(example.messages):
        status = " (not trained)" if turn in example.untrained else ""
        spans.append(TextSpan(f"{message['role']}{status}", "role"))
        shown = list(_shortened(_words(message), characters))
        spans += shown
        characters -= sum(len(span.text) for span in shown)
        if characters <= 0:
            break
    if left_out := len(example.messages) - sum(span.kind == "role" for span in spans):
        spans.append(TextSpan(f"{left_out:,} more turns", "gap"))
    return PreviewRow(number, example.place, tuple(spans))


def _words(message: Message) -> str:
    calls = message.get("tool_calls")
    calls_text = json.dumps(calls, ensure_ascii=False, default=str) if calls else ""
    return "\n".join(part for part in (str(message.get("content") or ""), calls_text) if part)


def _shortened(text: str, characters: int) -> Iterator[TextSpan]:
    characters = max(characters, 1)
    yield TextSpan(text[:characters])
    if len(text) > characters:
        yield TextSpan(f"{len(text) - characters:,} more characters", "gap")


class RowRenderer:
    """Renders the rows of one tokenizer."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self._special = np.array(sorted(special_ids(tokenizer)), np.int64)

    def row(self, number: int, row: TokenizedExample, limit: int, budget: int) -> PreviewRow:
        """A row truncated at `limit`, with about `budget` of its tokens visible."""
        tokens = np.asarray(row.tokens, np.int64)
        is_trained = np.zeros(len(tokens), np.bool_)
        for start, end in row.trained:
            is_trained[start:end] = True
        is_cut = np.arange(len(tokens)) >= limit
        spans: list[TextSpan] = []
        shown_to = 0
        for start, end in _shown(len(tokens), limit, budget):
            if start > shown_to:
                spans.append(_gap(start - shown_to))
            spans += self._spans(tokens, is_trained, is_cut, start, end)
            shown_to = end
        if shown_to < len(tokens):
            spans.append(_gap(len(tokens) - shown_to))
        trained = int((is_trained & ~is_cut).sum())
        return PreviewRow(
            number, row.place, tuple(spans), len(tokens), trained, int(is_cut.sum()),
            row.last_reply_only,
            notes=tuple(kind for note, kind in KINDS.items() if row.notes & note),
            problem="" if trained else "It has no trained tokens within the limit.",
        )  # fmt: skip

    def _spans(
        self,
        tokens: npt.NDArray[np.int64],
        is_trained: npt.NDArray[np.bool_],
        is_cut: npt.NDArray[np.bool_],
        start: int,
        end: int,
    ) -> Iterator[TextSpan]:
        is_special = np.isin(tokens[start:end], self._special)
        status = is_trained[start:end] * 2 + is_cut[start:end] * 1
        # Each special token is a span; other tokens are joined while their status is the same.
        changes = (np.diff(status) != 0) | is_special[1:] | is_special[:-1]
        ends = [0, *(np.flatnonzero(changes) + 1).tolist(), end - start]
        for low, high in pairwise(ends):
            text = self._text(tokens, start + low, start + high)
            kind: TextSpanKind = "special" if is_special[low] else "text"
            yield TextSpan(text, kind, bool(is_trained[start + low]), bool(is_cut[start + low]))

    def _text(self, tokens: npt.NDArray[np.int64], start: int, end: int) -> str:
        """The text of tokens, decoded after the preceding token, because some decoders drop a
        leading space."""
        alone = str(self._tokenizer.decode(tokens[start:end].tolist()))
        if start == 0:
            return alone
        before = str(self._tokenizer.decode(tokens[start - 1 : start].tolist()))
        both = str(self._tokenizer.decode(tokens[start - 1 : end].tolist()))
        text = both.removeprefix(before)
        return text if both.startswith(before) and text.endswith(alone) else alone


def _shown(length: int, limit: int, budget: int) -> Sequence[tuple[int, int]]:
    """Ranges of visible tokens: all, or the start and a part around the truncation or the end."""
    if length <= budget:
        return [(0, length)] if length else []
    part = max(1, budget // _AFTER_CUT)
    around = (limit - part, limit + part) if limit < length else (length - part, length)
    first = budget - (around[1] - around[0])
    start, end = max(around[0], 0), min(around[1], length)
    if start <= first:
        return [(0, max(first, end))]
    return [(0, first), (start, end)]


def _gap(tokens: int) -> TextSpan:
    return TextSpan(f"{tokens:,} tokens not shown", "gap")
