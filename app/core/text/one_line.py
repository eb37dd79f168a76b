"""Words from elsewhere as one short line: whatever they hold, they stretch nothing."""

from app.core.text.visible import UNSEEN

MAX_LINE_CHARACTERS = 200


def single_line(text: str, most: int = MAX_LINE_CHARACTERS) -> str:
    """`text` with a space for what can't be seen, cut off with "…" after `most` characters."""
    cut = text[: 4 * most]
    shown = UNSEEN.sub(" ", cut).strip()
    is_cut = len(shown) > most or len(cut) < len(text)
    return shown[: most - 1].rstrip() + "…" if is_cut else shown
