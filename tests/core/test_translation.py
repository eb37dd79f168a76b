"""Texts by language: the catalogs are whole, and numbers follow the language."""

import ast
import gettext
import io
from string import Formatter

import pytest

from app.core.text import translation
from app.core.text.translation import LANGUAGES, best_language, tr, trn, use_language
from tests import catalogs


@pytest.fixture
def german(monkeypatch: pytest.MonkeyPatch) -> None:
    """German in this process, with a few texts."""
    texts = catalogs.Catalog("de")
    texts.add("Stop", "Stoppen")
    texts.add("{steps:,} steps, loss {loss:.2f}", "{steps:,} Schritte, Verlust {loss:.2f}")
    texts.add(("{n:,} row", "{n:,} rows"), ("{n:,} Zeile", "{n:,} Zeilen"))
    made = gettext.GNUTranslations(io.BytesIO(catalogs.as_mo(texts)))
    monkeypatch.setattr(translation._Chosen, "catalog", made)
    monkeypatch.setattr(translation._Chosen, "code", "de")


@pytest.mark.parametrize("code", catalogs.OTHERS)
def test_every_text_of_the_code_is_translated(code: str) -> None:
    there, wanted = catalogs.read_catalog(code), catalogs.source_texts()
    assert catalogs.missing(catalogs.updated(code)) == []
    assert {m.id for m in there} == {m.id for m in wanted}, "run python -m tests.catalogs"


def test_no_text_stands_in_the_braces_of_another() -> None:
    """The catalogs' extraction does not look into f-strings."""
    asked = {"tr", "trn", "mark"}
    for module in (catalogs.ROOT / "app").rglob("*.py"):
        tree = ast.parse(module.read_text(encoding="utf-8"))
        braces = [node for node in ast.walk(tree) if isinstance(node, ast.FormattedValue)]
        calls = [node for part in braces for node in ast.walk(part) if isinstance(node, ast.Call)]
        texts = [c.args[0] for c in calls if isinstance(c.func, ast.Name) and c.func.id in asked]
        assert not any(isinstance(text, ast.Constant) for text in texts), module


@pytest.mark.parametrize("code", catalogs.OTHERS)
def test_a_translation_has_the_values_of_its_text(code: str) -> None:
    for message in catalogs.read_catalog(code):
        if not message.id:
            continue
        ids = message.id if isinstance(message.id, tuple) else (message.id,)
        texts = message.string if isinstance(message.string, tuple) else (message.string,)
        for source, text in zip(ids, texts, strict=True):
            assert _fields(source) - {"n"} == _fields(text) - {"n"}, source


@pytest.mark.parametrize("code", LANGUAGES)
def test_every_plural_is_whole_for_every_number(code: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if code != translation.SOURCE:
        made = gettext.GNUTranslations(io.BytesIO(catalogs.as_mo(catalogs.read_catalog(code))))
        monkeypatch.setattr(translation._Chosen, "catalog", made)
        monkeypatch.setattr(translation._Chosen, "code", code)
    plurals = [m.id for m in catalogs.source_texts() if isinstance(m.id, tuple)]
    assert len(plurals) > 40
    for one, many in plurals:
        values = _stand_ins(one) | _stand_ins(many)
        shown = {n: trn(one, many, n, **values) for n in (0, 1, 2, 5)}
        assert not any(set("{}") & set(text) for text in shown.values()), one
        assert shown[0] == shown[2].replace("2", "0"), one  # the plural, as in English and German
        assert shown[5] == shown[2].replace("2", "5"), one
        assert "{n" not in many or "5" in shown[5], one


def _stand_ins(text: str) -> dict[str, object]:
    """A value for each slot but `n`, with no digit in it that a test counts by."""
    found: dict[str, object] = {}
    for _, name, spec, _ in Formatter().parse(text):
        if name and name != "n":
            found[name] = 77 if spec else "x"
    return found


def test_every_text_gets_the_values_that_it_names() -> None:
    """Where a call spells them out; one without values asks for the text itself."""
    seen = 0
    for module in (catalogs.ROOT / "app").rglob("*.py"):
        for call in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
            if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Name):
                continue
            passed = {keyword.arg for keyword in call.keywords}
            if call.func.id not in ("tr", "trn") or None in passed or not call.keywords:
                continue
            texts = [a.value for a in call.args[:2] if isinstance(a, ast.Constant)]
            for text in filter(None, map(str, texts)):
                seen += 1
                has_number = {"n"} if call.func.id == "trn" else set()
                assert _fields(text) <= passed | has_number, f"{module}: {text}"
    assert seen > 200


@pytest.mark.parametrize("code", catalogs.OTHERS)
def test_the_compiled_catalog_is_the_readable_one(code: str) -> None:
    readable = catalogs.as_mo(catalogs.read_catalog(code))
    compiled = catalogs.catalog_path(code).with_suffix(".mo").read_bytes()
    assert _texts(compiled) == _texts(readable), "run python -m tests.catalogs"


def test_english_needs_no_catalog() -> None:
    assert tr("Stop") == "Stop"
    assert tr("{steps:,} steps", steps=1200) == "1,200 steps"
    assert [trn("{n:,} row", "{n:,} rows", n) for n in (0, 1, 2000)] == [
        "0 rows",
        "1 row",
        "2,000 rows",
    ]


@pytest.mark.usefixtures("german")
def test_numbers_have_the_marks_of_the_language() -> None:
    text = tr("{steps:,} steps, loss {loss:.2f}", steps=1200, loss=0.5)
    assert text == "1.200 Schritte, Verlust 0,50"
    assert trn("{n:,} row", "{n:,} rows", 1200) == "1.200 Zeilen"
    assert tr("{name} is there", name="a,b.txt") == "a,b.txt is there", "names stay as they are"


@pytest.mark.parametrize(
    ("preferred", "best"),
    [
        (["de-AT", "en-US"], "de"),
        (["fr-FR", "de_DE.UTF-8"], "de"),
        (["en-GB", "de"], "en"),
        (["fr"], "en"),
        ([], "en"),
    ],
)
def test_the_first_available_language_is_chosen(preferred: list[str], best: str) -> None:
    assert best_language(preferred) == best
    assert best in LANGUAGES


def test_a_language_after_the_first_text_is_refused() -> None:
    tr("Stop")
    with pytest.raises(RuntimeError, match="comes too late"):
        use_language("de", catalogs.ROOT / "resources" / "languages")


def _fields(text: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(text) if name is not None}


def _texts(compiled: bytes) -> dict[object, str]:
    return {k: v for k, v in gettext.GNUTranslations(io.BytesIO(compiled))._catalog.items() if k}  # type: ignore[attr-defined]
