"""The guide in each language: the same pages, and the names that the window's controls have."""

import re
from pathlib import Path

import pytest

from app.core import guide
from app.core.files.paths import guide_dir
from app.core.guide import Page, read_guide, read_pages
from app.core.text import translation
from app.core.text.translation import SOURCE
from tests.catalogs import OTHERS, read_catalog

HEADING = re.compile(r"^(#+) (.+)$", re.MULTILINE)
LINK = re.compile(r"\]\(([^)]+)\)")
BOLD = re.compile(r"\*\*(.+?)\*\*")
LEAD_INS = {
    "A lower learning rate, or fewer steps", "Both fall", "Both stay level", "Chats",
    "Questions and answers", "Text", "The loss jumps", "Training falls, validation rises",
}  # fmt: skip
"""Bold beginnings of list items that are no control's name. All other bold text is."""
ENGLISH = {page.file_name: page for page in read_pages(guide_dir())}


def in_each_language() -> list[tuple[str, str]]:
    return [(code, name) for code in OTHERS for name in ENGLISH]


def translated(code: str, name: str) -> Page:
    return next(page for page in read_pages(guide_dir(code)) if page.file_name == name)


def bold(page: Page) -> list[str]:
    return [text.removesuffix(":") for text in BOLD.findall(page.markdown)]


def read(text: str) -> str:
    """A text of the window as it is read: no access key, no ellipsis, no unit or count."""
    return re.sub(r"( ?…| \(.*\))$", "", text.replace("&", ""))


def window_names(code: str, text: str, *, is_of_menu: bool) -> set[str]:
    """What the window calls a control in a language, by its English name; empty if there is
    none. A menu and a button of one name may differ: a menu's has an access key."""
    found = {
        message.id: read(message.string)
        for message in read_catalog(code)
        if isinstance(message.id, str) and message.id and read(message.id) == text
    }
    of_kind = {name for key, name in found.items() if ("&" in key) == is_of_menu}
    return of_kind or set(found.values())


def path_names(code: str, text: str) -> list[set[str]]:
    """Of each part of "File > Open", or of the one part there is."""
    parts = text.split(" > ")
    return [window_names(code, part, is_of_menu=len(parts) > 1) for part in parts]


@pytest.mark.parametrize("code", OTHERS)
def test_every_page_is_translated(code: str) -> None:
    assert [page.file_name for page in read_pages(guide_dir(code))] == list(ENGLISH)


@pytest.mark.parametrize(("code", "name"), in_each_language())
def test_a_translation_has_the_same_headings_lists_code_and_links(code: str, name: str) -> None:
    english, other = ENGLISH[name].markdown, translated(code, name).markdown
    assert [level for level, _ in HEADING.findall(other)] == [
        level for level, _ in HEADING.findall(english)
    ]
    assert LINK.findall(other) == LINK.findall(english)
    for starts in ("- ", "```", *(f"{n}. " for n in range(1, 10))):
        assert lines_with(other, starts) == lines_with(english, starts), starts
    assert other != english


def lines_with(markdown: str, start: str) -> int:
    return sum(line.startswith(start) for line in markdown.splitlines())


@pytest.mark.parametrize("name", ENGLISH)
def test_bold_text_of_the_english_guide_names_a_control(name: str) -> None:
    texts = [text for text in bold(ENGLISH[name]) if text not in LEAD_INS]
    assert texts
    unknown = [text for text in texts if not all(path_names(OTHERS[0], text))]
    assert unknown == []


def test_every_lead_in_is_one() -> None:
    leads = {text for page in ENGLISH.values() for text in BOLD.findall(page.markdown)}
    assert {f"{text}:" for text in LEAD_INS} <= leads


@pytest.mark.parametrize(("code", "name"), in_each_language())
def test_a_translation_names_the_same_controls_as_the_window_does(code: str, name: str) -> None:
    english, other = ENGLISH[name], translated(code, name)
    left = bold(other)
    assert len(left) == len(bold(english))
    for text in bold(english):
        if text in LEAD_INS:
            continue
        wanted = path_names(code, text)
        there = [one for one in left if is_path(one, wanted)]
        assert there, f"{text}: {wanted} is not in {left}"
        left.remove(there[0])
    assert len(left) == sum(text in LEAD_INS for text in bold(english))


def is_path(text: str, wanted: list[set[str]]) -> bool:
    parts = text.split(" > ")
    return len(parts) == len(wanted) and all(
        part in names for part, names in zip(parts, wanted, strict=True)
    )


@pytest.mark.parametrize(("code", "name"), in_each_language())
def test_a_heading_that_is_a_text_of_the_window_reads_as_there(code: str, name: str) -> None:
    """The plots' names, and more; a page's title is its own."""
    headings = [HEADING.findall(page.markdown) for page in (ENGLISH[name], translated(code, name))]
    pairs = zip(*([text for level, text in found if level == "##"] for found in headings),
                strict=True)  # fmt: skip
    for english, other in pairs:
        names = window_names(code, english, is_of_menu=False)
        assert not names or other in names


@pytest.mark.parametrize("code", OTHERS)
def test_pages_in_the_language_in_use_and_english_ones_without_a_translation(
    code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert read_guide()[: len(ENGLISH)] == list(ENGLISH.values())
    monkeypatch.setattr(translation._Chosen, "code", code)
    pages = read_guide()
    assert pages[: len(ENGLISH)] == read_pages(guide_dir(code))
    one = pages[1].file_name
    (tmp_path / one).write_text("# Nur diese\n", encoding="utf-8")
    monkeypatch.setattr(
        guide, "guide_dir", lambda language: guide_dir() if language == SOURCE else tmp_path
    )
    mixed = read_guide()
    assert [page.file_name for page in mixed] == [page.file_name for page in pages]
    assert [page.title for page in mixed[:3]] == ["First run", "Nur diese", "Your own model"]
