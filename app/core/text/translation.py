"""The window's texts in the user's language: English in the code, others in gettext's catalogs.

The language is chosen once, before the modules that have texts are imported; a constant may hold a
translated text. The terminal, logs, and files of a run stay English.
"""

import gettext
import string
from collections.abc import Sequence
from pathlib import Path
from typing import Any

DOMAIN = "nestling"
SOURCE = "en"
"""The language of the code."""
LANGUAGES = {SOURCE: "English", "de": "Deutsch"}
"""Each language's name in itself."""
_ENGLISH_MARKS = str.maketrans(",.", ".,")
"""Exchanges the group and decimal marks of numbers, as most of Europe writes them."""


class _Numbers(string.Formatter):
    """`str.format` with the language's group and decimal marks in numbers.

    A number without a format is left unchanged: it may be a name.
    """

    def format_field(self, value: Any, spec: str) -> str:
        text: str = super().format_field(value, spec)
        if spec and not isinstance(value, str) and language() != SOURCE:
            return exchanged_marks(text)
        return text


class _Chosen:
    code = SOURCE
    catalog: gettext.NullTranslations = gettext.NullTranslations()
    was_asked = False


_numbers = _Numbers()


def language() -> str:
    """The language in use, a key of LANGUAGES."""
    return _Chosen.code


def catalog() -> gettext.NullTranslations:
    """The catalog in use."""
    return _Chosen.catalog


def best_language(preferred: Sequence[str]) -> str:
    """The first available language of `preferred` ("de-AT", "de_DE.UTF-8", …), or English."""
    for name in preferred:
        code = name.replace("_", "-").split("-")[0].lower()
        if code in LANGUAGES:
            return code
    return SOURCE


def use_language(code: str, catalogs: Path) -> None:
    """Translate from now on, by gettext's folder `catalogs`. Raises RuntimeError if texts in
    another language were handed out."""
    if code == _Chosen.code:
        return
    if _Chosen.was_asked:
        raise RuntimeError(f"Texts in {_Chosen.code} are in use: {code} comes too late.")
    _Chosen.catalog = gettext.translation(DOMAIN, catalogs, [code])
    _Chosen.code = code


def tr(text: str, /, **values: Any) -> str:
    """`text` in the user's language, with `values` in its braces, as `str.format` puts them."""
    _Chosen.was_asked = True
    found = _Chosen.catalog.gettext(text) if text else ""
    return _numbers.vformat(found, (), values) if values else found


def trn(one: str, many: str, n: int, /, **values: Any) -> str:
    """`one` or `many` of something, by the language's rule; `{n}` is the number."""
    _Chosen.was_asked = True
    found = _Chosen.catalog.ngettext(one, many, n)
    return _numbers.vformat(found, (), {"n": n, **values})


def mark(text: str) -> str:
    """`text` unchanged, marked for the catalogs; `tr` translates it later."""
    return text


def decimal(text: str) -> str:
    """A formatted number with the language's marks; English text passes through."""
    return text if language() == SOURCE else exchanged_marks(text)


def exchanged_marks(number: str) -> str:
    """ "1,024.5" is "1.024,5"."""
    return number.translate(_ENGLISH_MARKS)
