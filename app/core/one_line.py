"""Words from elsewhere as one short line: whatever they hold, they stretch nothing."""

import re

MOST_SHOWN = 200
_UNSEEN = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]+")
"""Control characters, line ends, what turns the direction of writing, and halves of characters."""


def one_line(text: str, most: int = MOST_SHOWN) -> str:
    """`text` with a space for what can't be seen, cut off with "…" after `most` characters."""
    cut = text[: 4 * most]
    shown = _UNSEEN.sub(" ", cut).strip()
    is_cut = len(shown) > most or len(cut) < len(text)
    return shown[: most - 1].rstrip() + "…" if is_cut else shown


def has_unseen(text: str) -> bool:
    """Whether there are characters in it that no line of text should have."""
    return _UNSEEN.search(text) is not None
