"""Special tokens inside texts: begin and end tokens of text rows, and quoted ones in chats.

A text row that was rendered beforehand gets no second begin or end token.
"""

import re
from collections.abc import Iterable

from app.data.chat.assistant_mask import special_ids
from app.data.chat.tokenizer import Tokenizer
from app.data.row_values import Message


class SpecialWords:
    """The special tokens of one tokenizer, as text."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        added = getattr(tokenizer, "added_tokens_decoder", None) or {}
        special = special_ids(tokenizer)
        words = [
            str(getattr(token, "content", token))
            for number, token in added.items()
            if number in special
        ]
        longest_first = sorted(filter(str.strip, words), key=len, reverse=True)
        self._pattern = re.compile("|".join(map(re.escape, longest_first)) or r"(?!)")

    def are_in(self, messages: Iterable[Message]) -> bool:
        return any(self._pattern.search(message["content"]) for message in messages)


class TextEnds:
    """Begin and end tokens of text rows: those that the tokenizer adds, unless they are there."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self._eos = tokenizer.eos_token_id
        self._special = special_ids(tokenizer)
        self._added: tuple[int, int] | None = None

    def row(self, tokens: list[int]) -> tuple[list[int], bool]:
        """A text's tokens with one begin and one end token, and whether it holds special tokens
        itself.

        `tokens` are those that the tokenizer returns.
        """
        before, after = self._added_tokens()
        begin, own = tokens[:before], tokens[before : len(tokens) - after]
        end = tokens[len(tokens) - after :]
        is_rendered = not self._special.isdisjoint(own)
        if is_rendered:
            begin = [] if own[:before] == begin else begin
            if self._is_closed(own):
                return begin + own, True
        row = [*begin, *own, *end]
        if self._eos is not None and (not row or row[-1] != self._eos):
            row.append(self._eos)
        return row, is_rendered

    def _is_closed(self, own: list[int]) -> bool:
        """Whether only white space follows the last special token."""
        last = max(place for place, token in enumerate(own) if token in self._special)
        rest = own[last + 1 :]
        return not rest or not self._tokenizer.decode(rest).strip()

    def _added_tokens(self) -> tuple[int, int]:
        """The numbers of tokens that the tokenizer puts before and after any text."""
        if self._added is None:
            tokens = list(self._tokenizer.encode("a"))
            words = [place for place, token in enumerate(tokens) if token not in self._special]
            self._added = (words[0], len(tokens) - 1 - words[-1]) if words else (0, 0)
        return self._added
