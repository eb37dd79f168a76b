"""What a table shows, row by row."""

from PySide6.QtCore import QAbstractItemModel


def row_text(model: QAbstractItemModel, row: int) -> str:
    """The row's cells with tabs between them."""
    return "\t".join(str(model.index(row, c).data()) for c in range(model.columnCount()))
