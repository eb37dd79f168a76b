"""A page of the guide: renders Markdown with its own typography, and highlights the search
words.
"""

from collections.abc import Sequence

from PySide6.QtCore import QRegularExpression, QUrl, Signal
from PySide6.QtGui import (
    QColor,
    QFont,
    QFontDatabase,
    QResizeEvent,
    QTextBlock,
    QTextBlockFormat,
    QTextCharFormat,
    QTextCursor,
    QTextFormat,
)
from PySide6.QtWidgets import QTextBrowser, QTextEdit

from app.core.guide_pages import Page, word_prefix_pattern
from app.core.text.translation import tr
from app.ui.look.theme import LIGHT, Theme

TEXT_PX, LINE_PERCENT, MARGIN_PX = 14, 130, 28
_HEADINGS_PX = {1: 24, 2: 16}
_ABOVE_PX = {1: 0, 2: 22}
_BELOW_PX, _BELOW_ITEM_PX, _CODE_INDENT_PX = 10, 4, 12
_WIDEST_PX = 720
"""The maximum width of the text with its margins; longer lines are hard to read."""
_MARK_ALPHA = 96
_LIKE_PYTHON = (
    QRegularExpression.PatternOption.CaseInsensitiveOption
    # Letters such as "ï" count as letters.
    | QRegularExpression.PatternOption.UseUnicodePropertiesOption
)
_PROPORTIONAL = QTextBlockFormat.LineHeightTypes.ProportionalHeight.value


class PageView(QTextBrowser):
    link_followed = Signal(QUrl)

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("guide")
        self.setAccessibleName(tr("Page of the guide"))
        self.setOpenLinks(False)
        self.anchorClicked.connect(self.link_followed)
        self._page: Page | None = None
        self._words: Sequence[str] = ()
        self._found: list[QTextCursor] = []
        self._theme = LIGHT

    def set_theme(self, theme: Theme) -> None:
        """Apply a theme. The document is rendered again, because it contains the colors of links
        and code.
        """
        self._theme = theme
        at = self.verticalScrollBar().value()
        if self._page is not None:
            self.show_page(self._page, self._words)
        self.verticalScrollBar().setValue(at)

    def show_page(self, page: Page, words: Sequence[str]) -> None:
        """Show a page and highlight all `words`; scrolls to the first one, or to the top."""
        self._page, self._words = page, words
        font = QFont(self.font())
        font.setPixelSize(TEXT_PX)
        self.document().setDefaultFont(font)
        self.setMarkdown(page.markdown)
        self.document().setDocumentMargin(MARGIN_PX)
        block = self.document().begin()
        while block.isValid():
            self._lay_out(block)
            block = block.next()
        self.moveCursor(QTextCursor.MoveOperation.Start)
        self._mark(words)
        self.find_next()

    @property
    def has_found(self) -> bool:
        return bool(self._found)

    def find_next(self) -> None:
        """Select the next highlighted word, wrapping around."""
        at = self.textCursor().selectionEnd()
        after = [one for one in self._found if one.selectionStart() >= at]
        if self._found:
            self.setTextCursor((after or self._found)[0])
            self.ensureCursorVisible()

    def resizeEvent(self, event: QResizeEvent) -> None:
        beside_px = max(0, self.width() - _WIDEST_PX)
        self.setViewportMargins(0, 0, beside_px, 0)
        super().resizeEvent(event)

    def _lay_out(self, block: QTextBlock) -> None:
        cursor, level = QTextCursor(block), block.blockFormat().headingLevel()
        cursor.movePosition(QTextCursor.MoveOperation.EndOfBlock, QTextCursor.MoveMode.KeepAnchor)
        spacing = QTextBlockFormat()
        spacing.setLineHeight(LINE_PERCENT, _PROPORTIONAL)
        spacing.setTopMargin(_ABOVE_PX.get(level, 0))
        is_within_list = block.textList() is not None and block.next().textList() is not None
        spacing.setBottomMargin(_BELOW_ITEM_PX if is_within_list else _BELOW_PX)
        if block.blockFormat().hasProperty(QTextFormat.Property.BlockCodeFence):
            spacing.setLeftMargin(_CODE_INDENT_PX)
            spacing.setNonBreakableLines(False)
            spacing.setBackground(QColor(self._theme.raised))
            cursor.mergeCharFormat(_code(self._theme))
        cursor.mergeBlockFormat(spacing)
        if level in _HEADINGS_PX:
            cursor.setCharFormat(_heading(cursor.charFormat(), level))

    def _mark(self, words: Sequence[str]) -> None:
        document, found = self.document(), []
        for word in words:
            wanted = QRegularExpression(word_prefix_pattern(word), _LIKE_PYTHON)
            cursor = document.find(wanted)
            while not cursor.isNull():
                found.append(cursor)
                cursor = document.find(wanted, cursor)
        self._found = sorted(found, key=QTextCursor.selectionStart)
        self.setExtraSelections([_mark_at(cursor, self._theme) for cursor in found])


def _heading(as_read: QTextCharFormat, level: int) -> QTextCharFormat:
    made = QTextCharFormat(as_read)
    made.clearProperty(QTextFormat.Property.FontSizeAdjustment)  # it would override the size
    made.setProperty(QTextFormat.Property.FontPixelSize, _HEADINGS_PX[level])
    made.setFontWeight(QFont.Weight.DemiBold)
    return made


def _code(theme: Theme) -> QTextCharFormat:
    made = QTextCharFormat()
    fixed = QFontDatabase.systemFont(QFontDatabase.SystemFont.FixedFont)
    made.setFontFamilies(fixed.families())
    made.setForeground(QColor(theme.text))
    return made


def _mark_at(cursor: QTextCursor, theme: Theme) -> QTextEdit.ExtraSelection:
    made = QTextEdit.ExtraSelection()
    made.cursor = cursor
    color = QColor(theme.accent)
    color.setAlpha(_MARK_ALPHA)
    made.format.setBackground(color)
    return made
