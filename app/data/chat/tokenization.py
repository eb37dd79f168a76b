"""Tokenizes examples one by one or in batches, and marks the positions that are trained."""

from collections.abc import Iterable, Sequence

from app.core.config.optimization import Replies
from app.data.chat.fast_tokenization import FastExampleTokenizer
from app.data.chat.prefix_tokenization import fast_encoder_for
from app.data.chat.row_tokenization import RowTokenizer, Tokenized
from app.data.chat.tokenizer import Tokenizer, plain_tokenizer
from app.data.row_values import (
    ChatExample,
    Example,
)
from app.data.tokens.tokenized_examples import TokenizedExample

__all__ = ["ExampleTokenizer", "TokenizedExample", "tokenize"]

_COMPARED_ROWS = 8
"""Rows of each of the first batches that are tokenized both ways."""
_BATCHES_COMPARED_WELL = 4


def tokenize(example: Example, tokenizer: Tokenizer, mask_prompt: bool) -> Tokenized:
    """Tokenize one row as one example, uncut; an issue if it can't be trained, with an empty path.

    Raises InputError for a chat if the model has no chat template.
    """
    (tokenized,) = ExampleTokenizer(tokenizer, mask_prompt).tokenize(example)
    return tokenized


class ExampleTokenizer(RowTokenizer):
    """Tokenizes the examples of one dataset, one by one or in batches."""

    def __init__(
        self, tokenizer: Tokenizer, mask_prompt: bool, replies: Replies = "whole-chat"
    ) -> None:
        super().__init__(tokenizer, mask_prompt, replies)
        self._fast: FastExampleTokenizer | None = None
        self._fast_is_known = False
        self._batches_compared = 0

    def tokenize_batch(self, examples: Sequence[Example]) -> list[list[Tokenized]]:
        """The examples of each row; every text is encoded once.

        A sample is compared with `tokenize`; if the two differ, `tokenize` is used for all rows.
        """
        fast = self._fast_tokenizer()
        if fast is not None:
            rows = fast.tokenize_batch(examples)
            sample = self._sample(examples)
            if all(self.tokenize(examples[index]) == rows[index] for index in sample):
                return rows
        return [self.tokenize(example) for example in examples]

    def _sample(self, examples: Sequence[Example]) -> Iterable[int]:
        """Rows to compare: some from all over the first batches, then of each batch the first row
        and the row with the most turns, in which most could differ.
        """
        if not examples:
            return ()
        self._batches_compared += 1
        if self._batches_compared <= _BATCHES_COMPARED_WELL:
            return range(0, len(examples), max(1, len(examples) // _COMPARED_ROWS))
        turns = [
            len(example.messages) if isinstance(example, ChatExample) else 1 for example in examples
        ]
        return {0, turns.index(max(turns))}

    def _fast_tokenizer(self) -> "FastExampleTokenizer | None":
        if not self._fast_is_known:
            self._fast_is_known = True
            plain = plain_tokenizer(self._tokenizer)
            encoder = fast_encoder_for(plain)
            if plain is not None and encoder is not None:
                self._fast = FastExampleTokenizer(plain, encoder, self._mask_prompt, self._replies)
        return self._fast
