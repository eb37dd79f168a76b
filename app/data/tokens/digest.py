"""Whether rows are the same tokens as before, told by a digest that takes no time."""

import hashlib

import numpy as np

from app.data.tokens.rows import TokenView

_ROWS = 2_000
"""Of more rows, so many are hashed token by token; of all the lengths and the trained tokens."""


def tokens_digest(*views: TokenView) -> str:
    """Of the rows as they are trained: a template or a library that makes other tokens of the same
    texts gives another one."""
    digest = hashlib.sha256()
    for view in views:
        for counts in (view.lengths, view.trained_counts):
            digest.update(np.ascontiguousarray(counts, np.int64).tobytes())
        for row in np.linspace(0, len(view) - 1, min(len(view), _ROWS), dtype=np.int64):
            for array in view.arrays(int(row)):
                digest.update(np.ascontiguousarray(array, np.uint32).tobytes())
        digest.update(b"|")
    return digest.hexdigest()
