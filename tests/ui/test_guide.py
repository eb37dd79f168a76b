"""The built-in guide: its pages, its search, its links. No window of the app."""

import re
from pathlib import Path

import pytest
from PySide6.QtCore import Qt, QUrl
from PySide6.QtWidgets import QApplication, QWidget
from pytestqt.qtbot import QtBot

from app.core.files.paths import guide_dir, reference_dir, resources_dir
from app.core.guide_pages import Page, read_guide, read_pages
from app.core.text import translation
from app.core.text.translation import LANGUAGES
from app.packaging.bundle_contents import resources
from app.self_test.component_checks import SHIPPED
from app.ui.guide.guide_window import Guide, GuideWindow
from app.ui.look.theme import DARK
from app.ui.state.undo import UndoHistory
from app.ui.system.stored_preferences import Preferences
from app.ui.system.theme_controller import ThemeController
from app.ui.window.edit_commands import EditCommands
from app.workers.background_thread import BackgroundThread

TITLES = [
    "First run", "Your own data", "Your own model", "How it learns", "Reading the plots",
    "Trying and exporting", "When something goes wrong",
]  # fmt: skip
LINK = re.compile(r"\]\(([^)]+)\)")


@pytest.fixture
def over(qtbot: QtBot) -> QWidget:
    """The app's window."""
    made = QWidget()
    qtbot.addWidget(made)
    return made


@pytest.fixture
def guide(over: QWidget) -> GuideWindow:
    made = GuideWindow(over, read_pages(guide_dir()))
    made.show()
    return made


def shown_title(guide: GuideWindow) -> str:
    return guide.page.document().firstBlock().text()


def marked(guide: GuideWindow) -> set[str]:
    return {cursor.selectedText().casefold() for cursor in guide.page._found}


def test_the_pages_are_listed_in_order_and_the_first_one_is_shown(guide: GuideWindow) -> None:
    assert guide.listed() == TITLES
    for row, title in enumerate(TITLES):
        guide.list.setCurrentRow(row)
        assert shown_title(guide) == title


def test_every_page_goes_into_the_bundle() -> None:
    for pages in (*map(guide_dir, LANGUAGES), *map(reference_dir, LANGUAGES)):
        within = pages.relative_to(resources_dir()).as_posix()
        bundled = {Path(path) for path, folder in resources() if folder == f"resources/{within}"}
        assert len(bundled) >= len(TITLES)
        assert bundled == set(pages.glob("*.md"))
        assert {f"{within}/{path.name}" for path in bundled} <= set(SHIPPED)  # the self-test looks


def test_every_link_leads_to_a_page_or_a_web_page() -> None:
    pages = read_pages(guide_dir())
    names = {page.file_name for page in pages}
    targets = {target for page in pages for target in LINK.findall(page.markdown)}
    assert {"2-your-own-data.md"} < targets
    assert all(target in names or target.startswith("https://") for target in targets)


def test_the_search_lists_pages_with_all_words_and_marks_them(
    guide: GuideWindow, qtbot: QtBot
) -> None:
    qtbot.keyClicks(guide.search, "fuse MODEL")  # and not "refuses"
    assert guide.listed() == ["Trying and exporting"]
    assert shown_title(guide) == "Trying and exporting"
    assert marked(guide) == {"fuse", "model"}
    first = guide.page.textCursor().selectionStart()
    qtbot.keyClick(guide.search, Qt.Key.Key_Return)
    assert guide.page.textCursor().selectionStart() > first
    qtbot.keyClick(guide.search, Qt.Key.Key_Escape)
    assert guide.listed() == TITLES
    assert shown_title(guide) == "Trying and exporting"
    assert not marked(guide)


@pytest.mark.parametrize("words", ["LM Studio", "Ollama", "GGUF", "merge"])
@pytest.mark.parametrize("code", LANGUAGES)
def test_a_search_for_another_app_finds_how_to_export_to_it(
    words: str, code: str, over: QWidget, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(translation._Chosen, "code", code)
    guide = GuideWindow(over, read_guide())
    (page,) = (page for page in read_pages(guide_dir(code)) if page.file_name.startswith("6-"))
    qtbot.keyClicks(guide.search, words)
    assert page.title in guide.listed()


def test_a_letter_with_an_accent_is_within_a_word_too(over: QWidget, qtbot: QtBot) -> None:
    guide = GuideWindow(over, [Page("a.md", "Names", "# Names\n\nNaïve vectors, Ärger.")])
    qtbot.keyClicks(guide.search, "ve")
    assert [cursor.selectionStart() for cursor in guide.page._found] == [len("Names Naïve ")]
    guide.search.setText("ärg")
    assert marked(guide) == {"ärg"}


def test_a_search_in_german_finds_parts_of_compounds(
    over: QWidget, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(translation._Chosen, "code", "de")
    guide = GuideWindow(over, read_guide())
    assert guide.listed()[:2] == ["Der erste Lauf", "Eigene Daten"]
    qtbot.keyClicks(guide.search, "GRÖßE rate")  # of "Batchgröße" and "Lernrate"
    assert guide.listed() == [
        "So lernt das Modell", "Diagramme lesen", "Wenn etwas nicht klappt", "Drei Takte",
        "Trainieren und fortsetzen",
    ]  # fmt: skip
    assert shown_title(guide) == "So lernt das Modell"
    assert marked(guide) == {"größe".casefold(), "rate"}
    guide.page.anchorClicked.emit(QUrl("3-your-own-model.md"))
    assert shown_title(guide) == "Eigenes Modell"


def test_in_german_guide_and_reference_have_german_titles(
    over: QWidget, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(translation._Chosen, "code", "de")
    guide = GuideWindow(over, read_guide())
    assert guide.listed() == [
        "Der erste Lauf", "Eigene Daten", "Eigenes Modell", "So lernt das Modell",
        "Diagramme lesen", "Ausprobieren und exportieren", "Wenn etwas nicht klappt",
        "Drei Takte", "Datensätze", "So arbeitet ein Lauf", "Die Bibliothek", "Der Playground",
        "Mehrere Macs", "Im Terminal", "Trainieren und fortsetzen",
    ]  # fmt: skip
    guide.list.setCurrentRow(guide.listed().index("Im Terminal"))
    guide.page.anchorClicked.emit(QUrl("datasets.md"))
    assert shown_title(guide) == "Datensätze"


def test_the_last_place_found_is_followed_by_the_first(guide: GuideWindow, qtbot: QtBot) -> None:
    qtbot.keyClicks(guide.search, "memory")
    first, places = guide.page.textCursor().selectionStart(), len(guide.page._found)
    assert places > 1
    for _ in range(places):
        guide.page.find_next()
    assert guide.page.textCursor().selectionStart() == first


def test_a_search_without_a_result_says_so_and_leaves_the_page(
    guide: GuideWindow, qtbot: QtBot
) -> None:
    qtbot.keyClicks(guide.search, "xyzzy")
    assert guide.nothing.isVisible()
    assert guide.listed() == []
    assert shown_title(guide) == "First run"


def test_a_link_to_a_page_shows_it_also_if_the_search_hides_it(
    guide: GuideWindow, qtbot: QtBot
) -> None:
    qtbot.keyClicks(guide.search, "gguf")
    guide.page.anchorClicked.emit(QUrl("2-your-own-data.md"))
    assert shown_title(guide) == "Your own data"
    assert guide.search.text() == ""


def test_a_web_page_is_opened_by_the_system(guide: GuideWindow, qtbot: QtBot) -> None:
    page = QUrl("https://huggingface.co/mlx-community")
    with qtbot.waitSignal(guide.web_requested) as requested:
        guide.page.anchorClicked.emit(page)
    assert requested.args == [page]
    assert shown_title(guide) == "First run"


def test_find_goes_to_the_search_and_close_closes(guide: GuideWindow, qtbot: QtBot) -> None:
    with qtbot.waitActive(guide):
        guide.activateWindow()
    guide.page.setFocus()
    qtbot.keyClick(guide.page, Qt.Key.Key_F, Qt.KeyboardModifier.ControlModifier)
    assert guide.search.hasFocus()
    qtbot.keyClick(guide.page, Qt.Key.Key_W, Qt.KeyboardModifier.ControlModifier)
    assert not guide.isVisible()


def test_a_new_theme_keeps_the_page_and_its_marks(guide: GuideWindow, qtbot: QtBot) -> None:
    qtbot.keyClicks(guide.search, "gguf")
    guide.set_theme(DARK)
    assert shown_title(guide) == "Your own model"
    assert marked(guide) == {"gguf"}


def test_the_window_is_made_when_it_is_asked_for_and_found_again(
    over: QWidget, qapp: QApplication, tmp_path: Path, qtbot: QtBot
) -> None:
    settings = Preferences(tmp_path / "s.ini", BackgroundThread(qapp))
    guide = Guide(over, ThemeController(qapp, settings, over))
    assert guide.window is None
    guide.show()
    made = guide.window
    assert made is not None
    with qtbot.waitActive(made):
        guide.show()
    assert guide.window is made
    made.page.setFocus()
    EditCommands(UndoHistory()).do(
        "find"
    )  # as the menu bar does, which on a Mac is also the guide's
    assert made.search.hasFocus()
