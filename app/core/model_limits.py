"""A base model's limits: its context length and the size of its vocabulary."""

from collections.abc import Callable
from dataclasses import dataclass

from app.core.text.translation import mark

_CAPPED = mark(
    "This model has learned {positions:,} positions and reads nothing after them: rows are cut at "
    "{positions:,} tokens, not at {setting:,}."
)
_BEYOND = mark("Rows longer than the model's context ({context:,} tokens): {rows:,}.")


@dataclass(frozen=True)
class ModelLimits:
    """None where the model sets no limit, or none that is known."""

    context_tokens: int | None = None
    """The longest row that the model was made for."""
    position_rows: int | None = None
    """The longest row that the model can read at all: it has learned so many positions."""
    embedding_rows: int | None = None
    """Token ids from here on have no embedding."""

    def row_limit(self, max_seq_length: int) -> int:
        """The length at which rows are truncated: the setting, or the model's positions."""
        return min(max_seq_length, self.position_rows or max_seq_length)

    def is_capping(self, max_seq_length: int) -> bool:
        return self.row_limit(max_seq_length) < max_seq_length

    def cap_sentence(self, max_seq_length: int, say: Callable[..., str] = str.format) -> str:
        """A sentence if rows are truncated below the setting; otherwise empty.

        `say` puts the values in: the window's is `tr`, and a run's log stays English.
        """
        if not self.is_capping(max_seq_length):
            return ""
        return say(_CAPPED, positions=self.position_rows, setting=max_seq_length)

    def beyond_sentence(self, rows: int, say: Callable[..., str] = str.format) -> str:
        """A sentence about rows beyond the model's context; empty for none."""
        if not rows or self.context_tokens is None:
            return ""
        return say(_BEYOND, rows=rows, context=self.context_tokens)
