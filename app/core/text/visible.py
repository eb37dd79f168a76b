"""Text from elsewhere, made harmless where it is shown: what commands a terminal is spelled out.

Knows nothing of where it is shown. What is written to files keeps every character.
"""

import re

_UNSEEN = r"\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff"
"""Control characters, line ends, what turns the direction of writing, and halves of characters."""
UNSEEN = re.compile(f"[{_UNSEEN}]+")
_ONE = re.compile(f"[{_UNSEEN}]")
_ONE_BUT_LINE_ENDS = re.compile(rf"(?![\n\t])[{_UNSEEN}]")


def visible(text: str) -> str:
    r"""`text` with `\u001b` for an escape character, and so on; lines and tabs stay.

    The form is that of JSON: a JSON text with it still says the same.
    """
    return _ONE_BUT_LINE_ENDS.sub(_spelled, text.replace("\r\n", "\n"))


def visible_line(text: str) -> str:
    """The same for what must stay one line."""
    return _ONE.sub(_spelled, text)


def has_unseen(text: str) -> bool:
    """Whether there are characters in it that no line of text should have."""
    return UNSEEN.search(text) is not None


def _spelled(match: re.Match[str]) -> str:
    return f"\\u{ord(match[0]):04x}"
