"""A Qt model of the problems and warnings of a dataset's rows, filtered by kind."""

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import Qt

from app.core.text.sanitize import visible_line
from app.core.text.sentences import localized
from app.core.text.translation import tr
from app.data.files.dataset_files import distinct_names
from app.ui.look.plain_text import plain
from app.ui.tables.table_model import Column, Index, TableModel

if TYPE_CHECKING:
    from app.data.row_values import RowIssue, RowLocation

REASON_COLUMN = 3
_KINDS = {
    "unreadable": tr("Unreadable"),
    "encoding": tr("Encoding"),
    "broken json": tr("Broken JSON"),
    "broken table": tr("Broken table"),
    "too big": tr("Too big"),
    "unknown shape": tr("Unrecognized format"),
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
    "column not read": tr("Column not read"),
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
"""The names of the kinds of issues in the window."""


class ProblemsModel(TableModel["RowIssue"]):
    def __init__(self) -> None:
        super().__init__(
            (
                Column(tr("Kind"), lambda issue: kind_words(issue.kind), tone=_tone),
                Column(tr("File"), lambda issue: self._names.get(issue.path, issue.path.name)),
                Column(tr("Where"), lambda issue: _where(issue.place)),
                Column(tr("Problem"), reason_text),
            ),
            problem=lambda _: "",
        )
        self._all: list[RowIssue] = []
        self._names: dict[Path, str] = {}
        self._kind = ""

    def show(self, problems: "list[RowIssue]") -> None:
        self._all = problems
        self._names = distinct_names({problem.path for problem in problems})
        self._filter()

    def show_kind(self, kind: str) -> None:
        """Show only one kind; "" shows all."""
        self._kind = kind
        self._filter()

    def _filter(self) -> None:
        self.show_rows([issue for issue in self._all if self._kind in ("", issue.kind)])

    def listed(self) -> "Counter[str]":
        """The number of listed problems of each kind."""
        return Counter(problem.kind for problem in self._all)

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """The cells and tool tips show whole texts; neither is shortened."""
        if role not in (Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.ToolTipRole):
            return super().data(index, role)
        text = self.columns[index.column()].shown(self.at(index.row()))
        return visible_line(text) if role == Qt.ItemDataRole.DisplayRole else plain(text)


def _tone(issue: "RowIssue") -> str:
    return "warning" if issue.is_warning else "danger"


def reason_text(issue: "RowIssue") -> str:
    reason = localized(issue.reason)
    return f"{reason[:1].upper()}{reason[1:]}."


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
