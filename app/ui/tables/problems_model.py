"""What is wrong or odd about a dataset's rows as a Qt table, of one kind or of all."""

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QAbstractTableModel, QModelIndex, QPersistentModelIndex, Qt
from PySide6.QtGui import QColor

from app.core.text.sanitize import visible_line
from app.core.text.sentences import localized
from app.core.text.translation import tr
from app.data.files.dataset_files import distinct_names
from app.ui.look.plain_text import plain
from app.ui.look.theme import LIGHT, Theme

if TYPE_CHECKING:
    from app.data.row_values import RowIssue, RowLocation

_Index = QModelIndex | QPersistentModelIndex
TITLES = (tr("Kind"), tr("File"), tr("Where"), tr("Problem"))
REASON_COLUMN = 3
_KINDS = {
    "unreadable": tr("Unreadable"),
    "encoding": tr("Encoding"),
    "broken json": tr("Broken JSON"),
    "broken table": tr("Broken table"),
    "too big": tr("Too big"),
    "unknown shape": tr("Unknown shape"),
    "wrong type": tr("Wrong type"),
    "role": tr("Role"),
    "empty": tr("Empty"),
    "no reply": tr("No reply"),
    "control characters": tr("Control characters"),
    "duplicate": tr("Duplicate"),
    "in both sets": tr("In both sets"),
    "in two datasets": tr("In two datasets"),
    "too long": tr("Too long"),
    "refused by the model": tr("Refused by the model"),
    "refused by the template": tr("Refused by the template"),
    "token without embedding": tr("Token without embedding"),
    "too costly to render": tr("Too costly to render"),
    "rows in an object": tr("Rows in an object"),
    "special tokens": tr("Special tokens"),
    "marked bad": tr("Marked bad"),
    "marked good": tr("Marked good"),
    "not trained": tr("Not trained"),
    "row flag": tr("Row flag"),
    "broken arguments": tr("Broken arguments"),
    "unused key": tr("Unused key"),
    "words left out": tr("Words left out"),
    "thoughts left out": tr("Thoughts left out"),
    "tool calls left out": tr("Tool calls left out"),
    "tools left out": tr("Tools left out"),
    "no reply follows": tr("No reply follows"),
    "reply not found": tr("Reply not found"),
    "opening reply": tr("Opening reply"),
    "opening reply left out": tr("Opening reply left out"),
    "other": tr("Other"),
}
"""An IssueKind's name in the window."""


class ProblemsModel(QAbstractTableModel):
    def __init__(self) -> None:
        super().__init__()
        self._all: list[RowIssue] = []
        self._names: dict[Path, str] = {}
        self._shown: list[RowIssue] = []
        self._kind = ""
        self._theme = LIGHT

    def show(self, problems: "list[RowIssue]") -> None:
        self._all = problems
        self._names = distinct_names({problem.path for problem in problems})
        self._filter()

    def show_kind(self, kind: str) -> None:
        """Only these; all with an empty text."""
        self._kind = kind
        self._filter()

    def set_theme(self, theme: Theme) -> None:
        self._theme = theme
        self._filter()

    def listed(self) -> "Counter[str]":
        """How many are listed of each kind."""
        return Counter(problem.kind for problem in self._all)

    def at(self, row: int) -> "RowIssue":
        return self._shown[row]

    def as_text(self, rows: list[int]) -> str:
        """A line a problem, with tabs between the columns."""
        return "\n".join("\t".join(self._words(self._shown[row])) for row in rows)

    def _words(self, problem: "RowIssue") -> tuple[str, ...]:
        kind = kind_words(problem.kind)
        where = _where(problem.place)
        reason = localized(problem.reason)
        reason = reason[:1].upper() + reason[1:]
        return kind, self._names.get(problem.path, problem.path.name), where, f"{reason}."

    def _filter(self) -> None:
        self.beginResetModel()
        self._shown = [p for p in self._all if self._kind in ("", p.kind)]
        self.endResetModel()

    def rowCount(self, parent: _Index = QModelIndex()) -> int:  # noqa: B008
        return 0 if parent.isValid() else len(self._shown)

    def columnCount(self, parent: _Index = QModelIndex()) -> int:  # noqa: B008
        return 0 if parent.isValid() else len(TITLES)

    def headerData(
        self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole
    ) -> Any:
        if orientation is not Qt.Orientation.Horizontal:
            return None
        if role == Qt.ItemDataRole.DisplayRole:
            return TITLES[section]
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter
        return None

    def data(self, index: _Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        problem, column = self._shown[index.row()], index.column()
        if role == Qt.ItemDataRole.DisplayRole:
            return visible_line(self._words(problem)[column])
        if role == Qt.ItemDataRole.ToolTipRole:
            return plain(self._words(problem)[column])
        if role == Qt.ItemDataRole.ForegroundRole and column == 0:
            return QColor(self._theme.warning if problem.is_warning else self._theme.danger)
        return None


def kind_words(kind: str) -> str:
    return _KINDS.get(kind, kind.capitalize())


def _where(place: "RowLocation") -> str:
    if place.is_whole_file:
        return tr("The file")
    if not place.row:
        return tr("Line {line}", line=place.line)
    if place.line > 1:
        return tr("Row {row} (line {line})", row=place.row, line=place.line)
    return tr("Row {row}", row=place.row)
