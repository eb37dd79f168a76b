"""Draws how a run stands: its words, and below them a bar while it is in progress."""

from PySide6.QtCore import QModelIndex, QPersistentModelIndex, QRect
from PySide6.QtGui import QColor, QPainter
from PySide6.QtWidgets import QStyledItemDelegate, QStyleOptionViewItem

from app.ui.look.theme import LIGHT
from app.ui.tables.runs_model import SHARE_ROLE

BAR_PX, INSET_PX, FROM_BOTTOM_PX = 3, 10, 6


class StateDelegate(QStyledItemDelegate):
    theme = LIGHT

    def paint(
        self,
        painter: QPainter,
        option: QStyleOptionViewItem,
        index: QModelIndex | QPersistentModelIndex,
    ) -> None:
        super().paint(painter, option, index)
        share = index.data(SHARE_ROLE)
        if share is None:
            return
        cell: QRect = option.rect
        top = cell.bottom() - FROM_BOTTOM_PX
        whole = QRect(cell.left() + INSET_PX, top, cell.width() - 2 * INSET_PX, BAR_PX)
        painter.fillRect(whole, QColor(self.theme.border))
        done = QRect(whole)
        done.setWidth(round(whole.width() * share))
        painter.fillRect(done, QColor(self.theme.accent))
