"""Shows rows as colored text: trained, added by the template, or cut."""

from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING

from PySide6.QtGui import QColor, QFont, QTextBlockFormat, QTextCharFormat, QTextCursor
from PySide6.QtWidgets import QLabel, QTextEdit

from app.core.text.sentences import localized
from app.core.text.translation import tr, trn
from app.ui.data.dataset_text import location_text
from app.ui.look.theme import LIGHT, Theme
from app.ui.widgets.layouts import GRID_PX

if TYPE_CHECKING:
    from app.data.inspection.row_rendering import PreviewRow, TextSpan

_SMALL_PX = 11
_ROW_GAP_PX = 18
_VISIBLE = {code: 0x2400 + code for code in range(32) if chr(code) not in "\n\t"} | {0x7F: 0x2421}
"""Maps control characters to their visible symbols."""


class RowsText(QTextEdit):
    def __init__(self, name: str, while_empty: str) -> None:
        super().__init__()
        self.setObjectName("rows")
        self.setPlaceholderText(while_empty)
        self.setReadOnly(True)
        self.setAcceptDrops(False)
        self.setUndoRedoEnabled(False)
        self.setAccessibleName(name)
        self.setTabChangesFocus(True)
        self.document().setDocumentMargin(2 * GRID_PX)
        self._theme = LIGHT
        self._shown: Sequence[PreviewRow] = ()

    def show_rows(self, rows: "Sequence[PreviewRow]") -> None:
        self._shown = rows
        self.setUpdatesEnabled(False)
        self.clear()
        cursor = QTextCursor(self.document())
        cursor.beginEditBlock()
        for index, row in enumerate(rows):
            self._insert(cursor, row, is_first=index == 0)
        cursor.endEditBlock()
        self.setUpdatesEnabled(True)
        self.moveCursor(QTextCursor.MoveOperation.Start)
        self.verticalScrollBar().setValue(0)

    def set_theme(self, theme: Theme) -> None:
        self._theme = theme
        self.show_rows(self._shown)

    def _insert(self, cursor: QTextCursor, row: "PreviewRow", is_first: bool) -> None:
        above = QTextBlockFormat()
        above.setTopMargin(0 if is_first else _ROW_GAP_PX)
        above.setBottomMargin(4)
        if is_first:
            cursor.setBlockFormat(above)
        else:
            cursor.insertBlock(above)
        cursor.insertText(heading(row), self._quiet())
        for note in row.notes:
            cursor.insertText(f" · {note}", self._quiet(self._theme.warning))
        if row.problem:
            cursor.insertText(f"  {_sentence(row.problem)}", self._quiet(self._theme.danger))
        plain = QTextBlockFormat()
        cursor.insertBlock(plain)
        for index, piece in enumerate(row.spans):
            self._insert_piece(cursor, piece, plain, index == 0)

    def _insert_piece(
        self, cursor: QTextCursor, piece: "TextSpan", plain: QTextBlockFormat, is_first: bool
    ) -> None:
        text = piece.text.translate(_VISIBLE)
        if piece.kind == "role":
            if not is_first:
                cursor.insertBlock(plain)
            cursor.insertText(text, self._role())
            cursor.insertBlock(plain)
        elif piece.kind == "gap":
            cursor.insertText(f" … {text} … ", self._quiet())
        else:
            cursor.insertText(text, self._form(piece))

    def _form(self, piece: "TextSpan") -> QTextCharFormat:
        t, form = self._theme, QTextCharFormat()
        form.setForeground(QColor(t.text))
        if piece.is_trained:
            form.setBackground(QColor(t.selection))
        if piece.kind == "special":
            form.setForeground(QColor(t.accent if piece.is_trained else t.secondary_text))
            form.setProperty(QTextCharFormat.Property.FontPixelSize, _SMALL_PX)
            if not piece.is_trained:
                form.setBackground(QColor(t.raised))
        if piece.is_cut:
            form.setForeground(QColor(t.secondary_text))
            form.setFontStrikeOut(True)
            form.setBackground(QColor(t.surface))
        return form

    def _role(self) -> QTextCharFormat:
        form = self._quiet(self._theme.accent)
        form.setFontWeight(QFont.Weight.DemiBold)
        return form

    def _quiet(self, color: str = "") -> QTextCharFormat:
        form = QTextCharFormat()
        form.setForeground(QColor(color or self._theme.secondary_text))
        form.setProperty(QTextCharFormat.Property.FontPixelSize, _SMALL_PX)
        return form


class Legend(QLabel):
    """Explains the colors."""

    def __init__(self) -> None:
        super().__init__()
        self.setWordWrap(True)
        self.setAccessibleName(tr("Tinted: trained. Struck through: cut. Small: special tokens."))

    def set_theme(self, theme: Theme) -> None:
        marks = (
            (f"background:{theme.selection}; color:{theme.text}", tr("trained")),
            (f"color:{theme.text}", tr("context")),
            (f"background:{theme.raised}; color:{theme.secondary_text}; font-size:{_SMALL_PX}px",
             tr("<special token>")),
            (f"color:{theme.secondary_text}; text-decoration:line-through", tr("cut at the limit")),
        )  # fmt: skip
        spans = (
            f'<span style="{style}">&nbsp;{escape(text).replace(" ", "&nbsp;")}&nbsp;</span>'
            for style, text in marks
        )
        self.setText("&nbsp; ".join(spans))


def heading(row: "PreviewRow") -> str:
    parts = [tr("Row {row:,}", row=row.number + 1), *_where(row)]
    if row.tokens is not None:
        parts.append(trn("{n:,} token", "{n:,} tokens", row.tokens))
        parts.append(tr("{tokens:,} trained", tokens=row.trained_tokens))
        if row.cut_tokens:
            parts.append(tr("{tokens:,} cut", tokens=row.cut_tokens))
    if row.last_reply_only:
        parts.append(tr("last reply only"))
    if row.other_examples:
        parts.append(
            trn(
                "{n:,} more example for earlier replies",
                "{n:,} more examples for earlier replies",
                row.other_examples,
            )
        )
    if row.is_held_out:
        parts.append(tr("for validation"))
    return " · ".join(parts)


def _where(row: "PreviewRow") -> list[str]:
    """The row's file and location, unless its number already implies them."""
    place = row.place
    if not row.file and place.row == row.number + 1:
        return [location_text(place._replace(row=0))] if place.line > 1 else []
    where = location_text(place)
    if place.row and not row.file:
        where = tr("{place} of the file", place=where)
    return [", ".join(part for part in (row.file, where) if part)]


def _sentence(problem: str) -> str:
    shown = localized(problem)
    return shown[:1].upper() + shown[1:].rstrip(".") + "."
