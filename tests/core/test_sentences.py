"""English sentences of the lower layers come back in German, with their values."""

import gettext
import random

import pytest

from app.core.files.paths import resources_dir
from app.core.text.sentences import CONTEXT, SentenceTranslator, Template, parsed
from app.core.text.translation import DOMAIN
from tests.catalogs import read_catalog
from tests.sentence_templates import sentence_templates

CATALOG = read_catalog("de")
TEMPLATES = sorted(sentence_templates())


@pytest.fixture(scope="module")
def german() -> SentenceTranslator:
    return SentenceTranslator(gettext.translation(DOMAIN, resources_dir() / "languages", ["de"]))


def _example(template: Template, seed: str) -> tuple[str, str]:
    """A sentence with values that no template knows, and its German."""
    draw = random.Random(seed)
    english, german = [template.literals[0]], dict[str, str]()
    for at, (slot, literal) in enumerate(zip(template.slots, template.literals[1:], strict=True)):
        number, name = f"{draw.randrange(1000, 900_000):,}", f"x{draw.randrange(10**6)}y"
        is_attached = at > 0 and not template.literals[at]
        value = number if slot.is_number else f" ({name})" if is_attached else name
        english += [value, literal]
        german[slot.name] = value.replace(",", ".")
    translation = parsed(template.translation, "")
    values = [*(german[slot.name] for slot in translation.slots), ""]
    return "".join(english), "".join(map("".join, zip(translation.literals, values, strict=True)))


@pytest.mark.parametrize("text", TEMPLATES)
def test_a_sentence_comes_back_in_german_with_its_values(
    german: SentenceTranslator, text: str
) -> None:
    message = CATALOG.get(text, CONTEXT)
    assert message is not None, "run python -m tests.catalogs"
    assert message.string, "it has no German"
    sentence, expected = _example(parsed(text, str(message.string)), text)
    assert german.read(sentence).text == expected
