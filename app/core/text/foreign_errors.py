"""A foreign error's text as one bounded line: part of a sentence in an error of Nestling's own."""

from app.core.text.one_line import single_line

MAX_ERROR_CHARACTERS = 240
_LONGEST_TAIL = 60
"""A cut list loses at most so much for the sake of its last whole item."""


def error_text(error: BaseException | str, most: int = MAX_ERROR_CHARACTERS) -> str:
    """All lines of the error joined, without a full stop; a long list is cut after a whole item."""
    text = " ".join(str(error)[: 8 * most].split()) or type(error).__name__
    line = single_line(text, most)
    if line.endswith("…") and not text.endswith("…"):
        whole = line.rpartition(", ")[0]
        line = f"{whole}, …" if len(line) - len(whole) <= _LONGEST_TAIL else line
    return line.rstrip(" .:;,") or type(error).__name__
