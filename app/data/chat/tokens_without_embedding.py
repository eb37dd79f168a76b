"""Finds rows with tokens that the model has no embedding for.

A tokenizer can have more tokens than its model if some were added to the tokenizer alone. The model
would read such an embedding out of bounds.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from app.core.text.sanitize import single_line
from app.data.row_values import NO_EMBEDDING, RowIssue
from app.data.tokens.tokenized_examples import TokenizedExample

_MOST_OF_A_TOKEN = 40


def rows_to_check(tokenizer: object, embedding_rows: int | None) -> int | None:
    """`embedding_rows` if the tokenizer has ids beyond them; None if no row can contain one."""
    vocabulary = getattr(getattr(tokenizer, "inner", tokenizer), "get_vocab", None)
    if embedding_rows is None or vocabulary is None:
        return embedding_rows
    return embedding_rows if max(vocabulary().values(), default=0) >= embedding_rows else None


def check_embeddings(
    rows: Sequence[TokenizedExample | RowIssue], tokenizer: object, embedding_rows: int | None
) -> list[TokenizedExample | RowIssue]:
    """Replace each row that holds a token beyond the embedding by an issue."""
    if embedding_rows is None:
        return list(rows)
    return [
        row if isinstance(row, RowIssue) else _checked(row, tokenizer, embedding_rows)
        for row in rows
    ]


def token_beyond(tokens: Iterable[int], tokenizer: object, embedding_rows: int | None) -> str:
    """Describe the first token without an embedding, as part of a sentence; empty without one."""
    if embedding_rows is None:
        return ""
    token = next((token for token in tokens if token >= embedding_rows), None)
    if token is None:
        return ""
    return (
        f"the token {token_text(token, tokenizer)!r} (id {token}), and this model has embeddings "
        f"for {embedding_rows:,} tokens only"
    )


def token_text(token: int, tokenizer: Any) -> str:
    """The text of a token, with bounded length."""
    inner = getattr(tokenizer, "inner", tokenizer)
    naming = getattr(inner, "convert_ids_to_tokens", None)
    return single_line(str(naming(token) if naming else inner.decode([token])), _MOST_OF_A_TOKEN)


def _checked(
    row: TokenizedExample, tokenizer: object, embedding_rows: int
) -> TokenizedExample | RowIssue:
    beyond = token_beyond(row.tokens, tokenizer, embedding_rows)
    return RowIssue(Path(), row.place, f"holds {beyond}", NO_EMBEDDING) if beyond else row
