"""Brings the catalogs of `resources/languages` up to date: `python -m tests.catalogs`.

Texts that the code asks for are added, others go; translations stay. Lists those that are missing.
The sentences of the lower layers are in it too, in a context of their own.
"""

import io
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

from babel.messages.catalog import Catalog, Message
from babel.messages.extract import extract_from_dir
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

from app.core.text.sentences import CONTEXT
from app.core.text.translation import DOMAIN, LANGUAGES, SOURCE
from tests.sentence_templates import sentence_templates

ROOT = Path(__file__).parent.parent
KEYWORDS = {"tr": None, "trn": (1, 2), "mark": None}
_DATE = datetime(2026, 1, 1, tzinfo=UTC)  # the same text for the same catalog
OTHERS = [code for code in LANGUAGES if code != SOURCE]


def catalog_path(code: str) -> Path:
    return ROOT / "resources" / "languages" / code / "LC_MESSAGES" / f"{DOMAIN}.po"


@cache
def source_texts() -> Catalog:
    """Every text of the code; read only."""
    found = Catalog()
    for _, _, text, _, _ in extract_from_dir(ROOT / "app", keywords=KEYWORDS):
        if text:
            found.add(text)
    for template in sentence_templates():
        found.add(template, context=CONTEXT)
    return found


def read_catalog(code: str) -> Catalog:
    path = catalog_path(code)
    if not path.exists():
        return Catalog(code)
    with path.open("rb") as file:
        return read_po(file, code)


def updated(code: str) -> Catalog:
    """The texts of the code, sorted, with the translations that `code` has already."""
    known = read_catalog(code)
    made = Catalog(
        code,
        header_comment=f"# {LANGUAGES[code]}: the texts of Nestling's window.",
        project="Nestling",
        version="1",
        fuzzy=False,
    )
    made.creation_date = made.revision_date = _DATE
    for message in sorted(source_texts(), key=lambda m: (m.context or "", str(m.id))):
        if message.id:
            there = known.get(_key(message), message.context)
            made.add(message.id, there.string if there else "", context=message.context)
    return made


def as_po(catalog: Catalog) -> bytes:
    file = io.BytesIO()
    write_po(file, catalog, width=100, omit_header=False)
    return file.getvalue()


def as_mo(catalog: Catalog) -> bytes:
    file = io.BytesIO()
    write_mo(file, catalog)
    return file.getvalue()


def missing(catalog: Catalog) -> list[str]:
    """Texts without a translation."""
    return [_key(m) for m in catalog if m.id and not all(_translations(m))]


def _translations(message: Message) -> tuple[str, ...]:
    return message.string if isinstance(message.string, tuple) else (message.string,)


def _key(message: Message) -> str:
    return message.id[0] if isinstance(message.id, tuple) else message.id


def main() -> None:
    for code in OTHERS:
        made, path = updated(code), catalog_path(code)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(as_po(made))
        path.with_suffix(".mo").write_bytes(as_mo(made))
        without = missing(made)
        print(f"{code}: {len(made)} texts, {len(without)} without a translation")
        for text in without:
            print(f"  {text}")


if __name__ == "__main__":
    main()
