"""Sanitizes untrusted text for display: one line, no control characters, bounded length.

Does not know where text is shown. Text written to files keeps every character.
"""

import re
from typing import Any

from app.core.text.numbers import digits

MAX_LINE_CHARACTERS, MAX_ERROR_CHARACTERS = 200, 240
_LONGEST_TAIL = 60
"""A truncated list loses at most this many characters to keep its last item whole."""
_LONGEST = 10**15
"""Whole numbers from here on are described by their number of digits."""
_UNSEEN = r"\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff"
"""Control characters, line ends, marks of writing direction, and halves of characters."""
UNSEEN = re.compile(f"[{_UNSEEN}]+")
_ONE = re.compile(f"[{_UNSEEN}]")
_ONE_BUT_LINE_ENDS = re.compile(rf"(?![\n\t])[{_UNSEEN}]")


def visible(text: str) -> str:
    r"""`text` with `\u001b` for an escape character, and so on; lines and tabs stay.

    The escapes are JSON's, so JSON text keeps its meaning.
    """
    return _ONE_BUT_LINE_ENDS.sub(_spelled, text.replace("\r\n", "\n"))


def visible_line(text: str) -> str:
    """`visible`, for text that must stay one line."""
    return _ONE.sub(_spelled, text)


def _spelled(match: re.Match[str]) -> str:
    return f"\\u{ord(match[0]):04x}"


def single_line(text: str, most: int = MAX_LINE_CHARACTERS) -> str:
    """`text` with invisible characters as spaces, cut off with "…" after `most` characters."""
    cut = text[: 4 * most]
    shown = UNSEEN.sub(" ", cut).strip()
    is_cut = len(shown) > most or len(cut) < len(text)
    return shown[: most - 1].rstrip() + "…" if is_cut else shown


def error_text(error: BaseException | str) -> str:
    """All lines of the error joined, without a full stop; a long list is cut after a whole item."""
    text = " ".join(str(error)[: 8 * MAX_ERROR_CHARACTERS].split()) or type(error).__name__
    line = single_line(text, MAX_ERROR_CHARACTERS)
    if line.endswith("…") and not text.endswith("…"):
        whole = line.rpartition(", ")[0]
        line = f"{whole}, …" if len(line) - len(whole) <= _LONGEST_TAIL else line
    return line.rstrip(" .:;,") or type(error).__name__


def short_repr(value: Any) -> str:
    """Any value in a few characters."""
    if type(value) is int and abs(value) >= _LONGEST:
        return f"a number of {digits(value)} digits"
    return single_line(repr(value), 40)
