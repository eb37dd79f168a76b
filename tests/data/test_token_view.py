"""The same texts that become other tokens have another digest."""

from dataclasses import replace

from app.data.row_values import RowLocation
from app.data.tokens.token_view import TokenView, tokens_digest
from app.data.tokens.tokenized_examples import TokenizedExample

ROWS = [
    TokenizedExample(tuple(range(i, i + 6)), ((2, 6),), RowLocation(i, 0), digest=i)
    for i in range(40)
]


def digest_of(rows: list[TokenizedExample], limit: int = 2**31) -> str:
    return tokens_digest(TokenView.of(rows, limit))


def test_equal_rows_have_an_equal_digest() -> None:
    assert digest_of(ROWS) == digest_of(list(ROWS))


def test_one_token_one_trained_span_one_row_or_the_limit_changes_it() -> None:
    others = [
        [*ROWS[:-1], replace(ROWS[-1], tokens=(9, *ROWS[-1].tokens[1:]))],
        [*ROWS[:-1], replace(ROWS[-1], trained=((3, 6),))],
        ROWS[:-1],
        [*ROWS[1:], ROWS[0]],
    ]
    digests = [digest_of(ROWS), digest_of(ROWS, limit=5), *map(digest_of, others)]
    assert len(set(digests)) == len(digests)


def test_the_digest_distinguishes_training_from_validation_rows() -> None:
    first, second = TokenView.of(ROWS[:3]), TokenView.of(ROWS[3:])
    assert tokens_digest(first, second) != tokens_digest(TokenView.of(ROWS), TokenView.of([]))
