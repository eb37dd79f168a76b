"""Both themes can be read: WCAG contrasts, computed from the colors."""

import pytest

from app.ui.look.theme import DARK, LIGHT, Theme

GROUNDS = ("window", "sidebar", "surface", "raised", "selection")
WORDS = ("text", "secondary_text", "accent", "success", "warning", "danger")


def luminance(color: str) -> float:
    parts = (int(color[at : at + 2], 16) / 255 for at in (1, 3, 5))
    red, green, blue = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])
def test_words_are_read_on_every_ground(theme: Theme) -> None:
    found = {
        (word, ground): round(contrast(getattr(theme, word), getattr(theme, ground)), 2)
        for word in WORDS
        for ground in GROUNDS
    }
    assert not {pair: value for pair, value in found.items() if value < 4.5}


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])
def test_field_borders_and_disabled_text_have_their_contrast(theme: Theme) -> None:
    assert all(contrast(theme.field_border, g) >= 3 for g in (theme.surface, theme.raised))
    assert contrast(theme.disabled_text, theme.raised) < contrast(
        theme.secondary_text, theme.raised
    )
