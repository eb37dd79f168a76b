"""Translates English sentences of the lower layers, which don't call `tr`: errors, problems
of rows, lines of logs, also those of runs recorded long ago.

The catalogs have a template for each, like "{path} is empty.", in a context of their own. A
sentence is compared with these templates; the values in its place are translated in turn.
"""

import gettext
import re
import string
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache, cached_property, lru_cache
from itertools import chain, islice
from typing import NamedTuple

from app.core.text.translation import SOURCE, catalog, exchanged_marks, language

CONTEXT = "sentence"
"""gettext's context of the templates."""
MIN_LETTERS, MIN_PX_BESIDE_NAME = 4, 6
"""A match with fewer letters of templates is ignored: "{name} is" matches too much."""
OPAQUE = frozenset({"path", "folder", "file", "run_dir", "model", "data"})
"""Slots whose values are names that the user chose."""
LOSSES = frozenset({"loss", "format_loss"})
"""Slots whose numbers are formatted already."""
_LOSS = re.compile(r"(?<![\w.])\d+\.\d+(?=$|[,)])")
_MAX_WAYS, _MAX_CHARACTERS, _MAX_PARTS, _MAX_KNOWN = 64, 2000, 24, 5000
_MAX_SENTENCES = 10_000
_NUMBER = re.compile(r"[-+]?(\d[\d,.]*(e[-+]?\d+)?|inf|nan)\s?%?")
_GROUPED = re.compile(r"\d{1,3}(,\d{3})+")
_WORD = re.compile(r"(?<!\w)[^\W\d_]{2,}(?!\w)")
_WITHIN = re.compile(r"[\w.]{2}|,\d|\d,\d")
"""The middle of a word or number, where a slot can't end."""
_LETTER = re.compile(r"[^\W\d_]")
_SEPARATOR = re.compile(r"(?<=[.!?]) |\n|; |: |, ")
"""Where one sentence ends, or an item of a list."""


class Slot(NamedTuple):
    name: str
    is_number: bool
    """Formatted as a number: "{count:,}"."""


class Translated(NamedTuple):
    text: str
    letters: int
    """Number of letters that belong to templates; 0 for text that stays as it is."""


@dataclass(frozen=True)
class Template:
    """An English sentence with slots for values, and its translation."""

    literals: tuple[str, ...]
    """The text before, between and after the slots."""
    slots: tuple[Slot, ...]
    translation: str

    @cached_property
    def words(self) -> set[str]:
        """The words of its text that touch no slot."""
        return set(_WORD.findall("0".join(self.literals)))

    @cached_property
    def letters(self) -> int:
        return sum(len(_LETTER.findall(literal)) for literal in self.literals)

    @cached_property
    def rank(self) -> tuple[int, int, str]:
        """Sorts templates with the most text first, then those with the most slots."""
        return -self.letters, -len(self.slots), "".join(self.literals)

    @cached_property
    def _optional(self) -> set[int]:
        """The slots that may be empty: those not separated by a space or the text's end."""
        before = [f" {text}" if not at else text for at, text in enumerate(self.literals)]
        after = [*self.literals[1:-1], f"{self.literals[-1]} "]
        return {
            at
            for at in range(len(self.slots))
            if not (before[at].endswith(" ") and after[at].startswith(" "))
        }

    def values(self, text: str) -> Iterator[tuple[str, ...]]:
        """Each way to read `text` as this template: the values of its slots."""
        first, *rest = self.literals
        if text.startswith(first) and text.endswith(self.literals[-1]):
            yield from self._values(text, len(first), 0, rest)

    def _values(
        self, text: str, start: int, slot: int, rest: list[str]
    ) -> Iterator[tuple[str, ...]]:
        if not rest:
            if start == len(text):
                yield ()
            return
        for end in _ends(text, start, rest[0], is_last=len(rest) == 1):
            value = text[start:end]
            if self.slots[slot].is_number and not _NUMBER.fullmatch(value):
                continue
            if not value and slot not in self._optional:
                continue
            for others in self._values(text, end + len(rest[0]), slot + 1, rest[1:]):
                yield value, *others


def _ends(text: str, start: int, literal: str, *, is_last: bool) -> Iterator[int]:
    """The places from `start` on where a value can end: before each `literal`."""
    if is_last:
        end = len(text) - len(literal)
        if end >= start:
            yield end
        return
    end = text.find(literal, start)
    while end >= 0:
        if literal or not _WITHIN.match(text, max(0, end - 1)):
            yield end
        end = text.find(literal, end + 1)


def parsed(template: str, translation: str) -> Template:
    literals, slots = [""], []
    for literal, name, spec, _ in string.Formatter().parse(template):
        literals[-1] += literal
        if name is not None:
            slots.append(Slot(name, bool(spec) or name in LOSSES))
            literals.append("")
    return Template(tuple(literals), tuple(slots), translation)


class SentenceTranslator:
    """Translates by the templates of one catalog."""

    def __init__(self, translations: gettext.NullTranslations) -> None:
        self._by_word: dict[str, list[Template]] = {}
        """Each template under its rarest word."""
        templates = [parsed(*pair) for pair in _templates(translations)]
        counts = Counter(word for template in templates for word in template.words)
        for template in templates:
            if template.words:
                word = min(template.words, key=lambda word: (counts[word], word))
                self._by_word.setdefault(word, []).append(template)
        self._known: dict[str, Translated] = {}
        self._wholes: dict[str, Translated] = {}

    def __call__(self, text: str) -> str:
        """`text` translated as far as it is known."""
        if len(text) > _MAX_CHARACTERS:
            return text
        if len(self._known) > _MAX_KNOWN:
            self._known.clear()
            self._wholes.clear()
        found = self.read(text)
        return found.text if found.letters >= MIN_LETTERS else text

    def read(self, text: str) -> Translated:
        """The reading with the most letters of templates."""
        if (known := self._known.get(text)) is None:
            bare = text.strip(" ")
            found = self._best(bare) if _WORD.search(bare) else Translated(bare, 0)
            start = len(text) - len(text.lstrip(" "))
            spaced = text[:start] + found.text + text[start + len(bare) :]
            known = self._known[text] = Translated(spaced, found.letters)
        return known

    def _best(self, text: str) -> Translated:
        whole, parts = self._whole(text), self._in_parts(text)
        is_better = parts.letters > whole.letters or (
            parts.letters == whole.letters
            and text.endswith(".")  # the full stop belongs to no value
        )
        return parts if is_better else whole

    def _whole(self, text: str) -> Translated:
        """The text read as one template, in the way that explains most of it."""
        if (known := self._wholes.get(text)) is None:
            known = self._wholes[text] = self._best_whole(text)
        return known

    def _best_whole(self, text: str) -> Translated:
        best = Translated(text, 0)
        words = set(_WORD.findall(text))
        found = chain.from_iterable(self._by_word.get(word, ()) for word in words)
        for template in sorted(found, key=lambda one: one.rank):
            if template.words <= words:
                for values in islice(template.values(text), _MAX_WAYS):
                    filled = self._filled(template, values)
                    best = filled if filled.letters > best.letters else best
        return best

    def _filled(self, template: Template, values: tuple[str, ...]) -> Translated:
        letters, filled = template.letters, dict[str, str]()
        for slot, value in zip(template.slots, values, strict=True):
            shown = value
            if slot.is_number or _GROUPED.fullmatch(value):
                shown = exchanged_marks(value).replace("%", " %")
            elif slot.name == "of_each":  # a list of losses
                shown = _LOSS.sub(lambda match: exchanged_marks(match[0]), value)
            elif slot.name not in OPAQUE:
                shown, more = self.read(value)
                letters += more
            filled.setdefault(slot.name, shown)
        return Translated(_fill(template.translation, filled), letters)

    def _in_parts(self, text: str) -> Translated:
        """The text read as several sentences or items of a list, as a sentence whose full stop was
        added, or as a template beside a name."""
        best = Translated(text, 0)
        for separator in islice(_SEPARATOR.finditer(text), _MAX_PARTS):
            found = self._joined(text, *separator.span(), self.read)
            best = found if found.letters > best.letters else best
        if text.endswith((".", ":")):
            shown, letters = self.read(text[:-1])
            best = Translated(shown + text[-1], letters) if letters > best.letters else best
        if best.letters:
            return best
        for space in islice(re.finditer(" ", text), _MAX_PARTS):
            found = self._joined(text, *space.span(), self._whole)
            best = found if found.letters > best.letters else best
        return best if best.letters >= MIN_PX_BESIDE_NAME else Translated(text, 0)

    def _joined(
        self, text: str, start: int, end: int, read: Callable[[str], Translated]
    ) -> Translated:
        """The text before and after a separator, each translated by `read`."""
        first, last = read(text[:start]), read(text[end:])
        return Translated(first.text + text[start:end] + last.text, first.letters + last.letters)


def _templates(translations: gettext.NullTranslations) -> Iterator[tuple[str, str]]:
    """The templates of a catalog with their translations, read from gettext's private table."""
    prefix = f"{CONTEXT}\x04"
    for key, translation in getattr(translations, "_catalog", {}).items():
        if isinstance(key, str) and key.startswith(prefix):
            yield key.removeprefix(prefix), translation


def _fill(translation: str, values: dict[str, str]) -> str:
    """The translation with the values, which are formatted already."""
    shown = []
    for literal, name, _, _ in string.Formatter().parse(translation):
        shown += [literal, values[name] if name is not None else ""]
    return "".join(shown)


@cache
def _translator() -> SentenceTranslator:
    return SentenceTranslator(catalog())


@lru_cache(_MAX_SENTENCES)
def localized(sentence: str) -> str:
    """An English sentence of the lower layers in the user's language, with its values.

    Text that matches no template, and any text in an English window, is returned unchanged.
    """
    return sentence if language() == SOURCE or not sentence else _translator()(sentence)
