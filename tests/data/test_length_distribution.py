"""The curves say at every limit what counting all rows would."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from app.data.row_values import RowLocation
from app.data.tokens.tokenized_examples import TokenizedExample, TokenRows
from app.data.training_set.length_distribution import LengthDistribution


@st.composite
def _rows(draw: st.DrawFn) -> TokenRows:
    examples = []
    for line in range(draw(st.integers(0, 12))):
        places = sorted(draw(st.sets(st.integers(1, 40), min_size=2, max_size=6)))
        spans = tuple(zip(places[::2], places[1::2], strict=False))
        length = places[-1] + draw(st.integers(0, 5))
        last_only = draw(st.booleans())
        examples.append(
            TokenizedExample(tuple(range(length)), spans, RowLocation(line + 1), last_only)
        )
    return TokenRows.of(examples)


def _cut_up(
    rows: TokenRows, chosen: "np.ndarray[tuple[int], np.dtype[np.intp]]"
) -> "list[tuple[TokenRows, np.ndarray[tuple[int], np.dtype[np.intp]]]]":
    """The same rows as two parts, as those of two files are."""
    half = len(chosen) // 2
    return [(rows, chosen[:half]), (rows, chosen[half:])]


@given(_rows(), st.integers(1, 60), st.data())
def test_every_figure_is_what_counting_all_rows_gives(
    rows: TokenRows, limit: int, data: st.DataObject
) -> None:
    mask = data.draw(st.lists(st.booleans(), min_size=len(rows), max_size=len(rows)))
    chosen = np.flatnonzero(np.array(mask, np.bool_))
    curves = LengthDistribution.of(_cut_up(rows, chosen))
    lengths = rows.lengths[chosen].astype(int)
    trained = rows.trained_counts(limit)[chosen]
    assert curves.rows == len(chosen)
    assert curves.shortest == (lengths.min() if len(lengths) else 0)
    assert curves.longest == lengths.max(initial=0)
    assert curves.rows_longer_than(limit) == (lengths > limit).sum()
    assert curves.untrainable_rows(limit) == (trained == 0).sum()
    seen = np.minimum(lengths, limit)[trained > 0]
    assert curves.usable_rows_longer_than(limit // 2, limit) == (seen > limit // 2).sum()
    assert curves.truncated_rows(limit) == ((lengths > limit) & (trained > 0)).sum()
    assert curves.usable_rows(limit) == (trained > 0).sum()
    assert curves.trained_tokens_at(limit) == trained.sum()
    is_kept = trained > 0
    within = np.minimum(lengths, limit)[is_kept]
    assert curves.usable_tokens(limit) == within.sum()
    assert curves.truncated_tokens(limit) == lengths[is_kept].sum() - within.sum()
    assert curves.last_reply_only_rows(limit) == rows.last_reply_only[chosen][is_kept].sum()
    assert curves.length_at(0.5, limit) == (
        np.sort(within)[(len(within) - 1) // 2] if len(within) else 0
    )


@given(_rows())
def test_the_bars_hold_every_row_once(rows: TokenRows) -> None:
    curves = LengthDistribution.of([(rows, np.arange(len(rows)))])
    edges = np.array([0, 3, 9, 27, 100])
    assert curves.counts(edges).tolist() == np.histogram(rows.lengths, edges)[0].tolist()
