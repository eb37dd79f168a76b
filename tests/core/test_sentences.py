"""English sentences of the lower layers come back in German, with their values."""

import gettext
import random
import textwrap

import pytest

from app.core.files.paths import resources_dir
from app.core.text.sentences import CONTEXT, SentenceTranslator, Template, localized, parsed
from app.core.text.translation import DOMAIN
from tests.catalogs import read_catalog
from tests.sentence_templates import templates_of

CATALOG = read_catalog("de")
TEMPLATES = sorted(str(m.id) for m in CATALOG if m.context == CONTEXT)
"""The catalog has those of the code, see test_translation.py."""


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


COMPOSED = {
    "All 150 steps done. 3 steps were void: nothing was learned there. Modules that learned "
    "nothing: a.b, c.d and 2 more.":
    "Alle 150 Schritte sind fertig. 3 Schritte waren ungültig: Dabei wurde nichts gelernt. "
    "Module, die nichts gelernt haben: a.b, c.d und 2 weitere.",
    "The one step is done.": "Der einzige Schritt ist fertig.",
    "a.jsonl has 2 bad rows: line 3: is not valid JSON at column 14: a text begins and is not "
    "closed; line 1,204: messages is text, not a list; and 4 more. Correct or remove them, or "
    "have bad rows left out.":
    "a.jsonl hat 2 ungültige Zeilen: Zeile 3: ist kein gültiges JSON ab Spalte 14: ein Text "
    "beginnt und wird nicht geschlossen; Zeile 1.204: messages ist text, keine Liste; und 4 "
    "weitere. Korrigiere oder entferne sie, oder lass ungültige Zeilen auslassen.",
    "a.jsonl, line 7, is damaged or not an Arrow file. Copy or make it again.":
    "a.jsonl, Zeile 7, ist beschädigt oder keine Arrow-Datei. Kopiere oder erstelle sie neu.",
    "message 3 (user) has content that is a list, not text":
    "Nachricht 3 (user): content ist eine Liste, kein Text",
    "Step 150: validation loss on 1,024 validation rows 2.3104 (a 1.203, b 2.333), the best so far":
    "Schritt 150: Validierungsverlust auf 1.024 Validierungszeilen 2,3104 (a 1,203, b "
    "2,333), der bisher beste",
    "r.toml is not valid TOML: Expected '=' after a key in a key/value pair (at line 1, column 5).":
    "r.toml ist kein gültiges TOML: Nach einem Schlüssel fehlt = (Zeile 1, Spalte 5).",
    "/m/all layers/c.json can't be read: No such file or directory. Choose another file.":
    "/m/all layers/c.json ist nicht lesbar: Keine solche Datei und kein solcher Ordner. Wähle "
    "eine andere Datei.",
    "ranks 1–4 of attention of layers 0–7": "Ränge 1–4 von Attention von Schichten 0–7",
    "Nobody knows this. Choose another base model.":
    "Nobody knows this. Wähle ein anderes Basismodell.",
    "The dataset Tom and Jerry.jsonl changed after this run began.":
    "Der Datensatz Tom and Jerry.jsonl hat sich nach Beginn dieses Laufs geändert.",
    "Tom and Jerry, MLX 0.32.4: 1.5 GB": "Tom and Jerry, MLX 0.32.4: 1.5 GB",
}  # fmt: skip


@pytest.mark.parametrize("sentence", COMPOSED)
def test_sentences_made_of_others_are_translated_in_all_their_parts(
    german: SentenceTranslator, sentence: str
) -> None:
    assert german(sentence) == COMPOSED[sentence]


def test_an_english_window_shows_a_sentence_as_it_is() -> None:
    assert localized("The one step is done.") == "The one step is done."


def test_a_long_text_is_read_in_a_bounded_number_of_ways(german: SentenceTranslator) -> None:
    sentence = "a: b, and " * 400
    assert german(sentence) == sentence


def test_strings_in_the_source_become_templates() -> None:
    source = textwrap.dedent('''
        def sentence(path, rows, count):
            """Not this docstring here."""
            verb = "is" if count == 1 else "are"
            more = f" and {count - 3:,} more" if count > 3 else ""
            raise InputError(f"{path.name} {verb} missing{more}.", "Choose another" + rows + ".")
    ''')
    assert set(templates_of(source)) == {
        "and {count:,} more", "{path} is missing{more}.", "{path} are missing{more}.",
        "Choose another{rows}.",
    }  # fmt: skip
