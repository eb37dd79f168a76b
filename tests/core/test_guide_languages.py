"""Guide and reference in each language: the same pages, and the names of the window's controls."""

import re
from pathlib import Path

import pytest

from app.core import guide_pages
from app.core.files.paths import guide_dir, reference_dir
from app.core.guide_pages import Page, read_guide, read_pages
from app.core.text import translation
from app.core.text.translation import SOURCE, exchanged_marks
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
REFERENCE = {page.file_name: page for page in read_pages(reference_dir())}
CODE_BLOCK = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
CODE = re.compile(r"`([^`]+)`")
FLAG = re.compile(r"--[a-z-]+")
NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
ITALIC = re.compile(r"(?<!\*)\*(?![*\s])([^*]+)\*(?!\*)")
TERMS = {"known questions", "at most"}
"""Italic text of the reference that is no control's name. All other italic text is."""


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


def reference_in_each_language() -> list[tuple[str, str]]:
    return [(code, name) for code in OTHERS for name in REFERENCE]


def translated_reference(code: str, name: str) -> Page:
    return next(page for page in read_pages(reference_dir(code)) if page.file_name == name)


def prose(page: Page) -> str:
    return CODE.sub("", CODE_BLOCK.sub("", page.markdown))


def italic(page: Page) -> list[str]:
    """As `path_names` takes it: "File > Open Study"."""
    texts = (" ".join(text.split()) for text in ITALIC.findall(prose(page)))
    return [" > ".join(map(read, text.split(" › "))) for text in texts]


@pytest.mark.parametrize("code", OTHERS)
def test_every_page_of_the_reference_is_translated(code: str) -> None:
    assert [page.file_name for page in read_pages(reference_dir(code))] == list(REFERENCE)


@pytest.mark.parametrize(("code", "name"), reference_in_each_language())
def test_a_reference_page_has_the_same_headings_lists_and_links(code: str, name: str) -> None:
    pages = (REFERENCE[name], translated_reference(code, name))
    levels, links = (
        [[level for level, _ in HEADING.findall(CODE_BLOCK.sub("", page.markdown))]
         for page in pages],
        [LINK.findall(page.markdown) for page in pages],
    )  # fmt: skip
    assert levels[0] == levels[1]
    assert links[0] == links[1]
    for starts in ("* ", "|"):
        english, other = (lines_with(page.markdown, starts) for page in pages)
        assert other == english, starts
    assert len(BOLD.findall(prose(pages[1]))) == len(BOLD.findall(prose(pages[0])))
    assert pages[0].title != pages[1].title


@pytest.mark.parametrize(("code", "name"), reference_in_each_language())
def test_a_reference_page_has_the_same_code_flags_and_figures(code: str, name: str) -> None:
    english, other = REFERENCE[name], translated_reference(code, name)
    assert CODE_BLOCK.findall(other.markdown) == CODE_BLOCK.findall(english.markdown)
    assert code_in_text(other) == code_in_text(english)
    assert set(FLAG.findall(other.markdown)) == set(FLAG.findall(english.markdown))
    figures = sorted(map(exchanged_marks, NUMBER.findall(prose(english))))
    assert sorted(NUMBER.findall(prose(other))) == figures


def code_in_text(page: Page) -> set[str]:
    return {" ".join(text.split()) for text in CODE.findall(CODE_BLOCK.sub("", page.markdown))}


@pytest.mark.parametrize(("code", "name"), reference_in_each_language())
def test_a_reference_page_names_the_same_controls_as_the_window_does(code: str, name: str) -> None:
    left = italic(translated_reference(code, name))
    names = italic(REFERENCE[name])
    assert len(left) == len(names)
    for text in names:
        if text in TERMS:
            continue
        wanted = path_names(code, text)
        there = [one for one in left if is_path(one, wanted)]
        assert there, f"{text}: {wanted} is not in {left}"
        left.remove(there[0])
    assert len(left) == sum(text in TERMS for text in names)


@pytest.mark.parametrize("code", OTHERS)
def test_pages_in_the_language_in_use_and_english_ones_without_a_translation(
    code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert read_guide()[: len(ENGLISH)] == list(ENGLISH.values())
    monkeypatch.setattr(translation._Chosen, "code", code)
    pages = read_guide()
    assert pages == [*read_pages(guide_dir(code)), *read_pages(reference_dir(code))]
    one = pages[1].file_name
    (tmp_path / one).write_text("# Nur diese\n", encoding="utf-8")
    monkeypatch.setattr(
        guide_pages, "guide_dir", lambda language: guide_dir() if language == SOURCE else tmp_path
    )
    mixed = read_guide()
    assert [page.file_name for page in mixed] == [page.file_name for page in pages]
    assert [page.title for page in mixed[:3]] == ["First run", "Nur diese", "Your own model"]
